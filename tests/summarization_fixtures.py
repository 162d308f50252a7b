"""Small documents and summarisers."""

from typing import Any

from gru_suite.tasks.summarization.batches.encoding import DocumentDataset
from gru_suite.tasks.summarization.batches.schema import fit_schema
from gru_suite.tasks.summarization.batches.scored_document import ScoredDocument
from gru_suite.tasks.summarization.model import SummarizationModel
from gru_suite.tasks.summarization.reading.documents import Document, Documents
from gru_suite.tasks.summarization.task import SummarizationTask

SENTENCES = [
    ["Snow fell all night.", "We show that fences keep snow off the track.", "It was cold."],
    ["Rain is common.", "Nobody was late.", "We show that drains keep rain off roads.", "It ends."],
    ["One sentence only."],
]
REFERENCES = [
    ["Fences keep snow off the track."],
    ["Drains keep rain off roads.", "Rain runs off."],
    ["A single sentence."],
]


def documents(**changes: Any) -> Documents:
    """Return three documents, the last of one sentence."""
    return Documents(
        [
            Document(sentences, references, location=f"row {row}", **changes)
            for row, (sentences, references) in enumerate(zip(SENTENCES, REFERENCES, strict=True))
        ]
    )


def small_schema(
    train: Documents | None = None, char_ngrams: tuple[int, int] | None = (3, 4), **changes: Any
) -> dict[str, Any]:
    """Return the schema of the documents."""
    facts = {"document_column": "document", "encoding": "utf-8", "max_tokens": 12}
    facts |= {"truncation": "head", "char_ngrams": list(char_ngrams) if char_ngrams else None}
    vocabulary = {"kind": "word", "vocabulary_size": 100, "min_count": 1, "lowercase": True}
    return fit_schema(train or documents(), vocabulary, facts | changes)


def small_task(**options: Any) -> SummarizationTask:
    """Return a task with a small network, in evaluation mode."""
    backbone = {"hidden_size": 6, "bidirectional": True} | options.pop("backbone", {})
    schema = options.pop("schema", None) or small_schema()
    sizes = {"embedding_size": 5, "word_hidden_size": 3, "sentence_size": 4}
    return SummarizationTask(backbone, schema, **(sizes | options)).eval()


def small_model(**options: Any) -> SummarizationModel:
    """Return a small model."""
    return small_task(**options).model


def small_dataset(model: SummarizationModel, train: Documents | None = None) -> DocumentDataset:
    """Return the documents as a data set for a model."""
    items = (train or documents()).items
    return DocumentDataset(
        [each.sentences for each in items],
        model.tokenizer,
        [ScoredDocument(each) for each in items],
        model.num_sentences,
    )
