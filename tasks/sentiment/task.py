"""Training of the text classifier, for sentiment or any other labels."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from gru_suite.model.batches import SequenceBatch
from gru_suite.nn.weight_transfer import TAKEN, copy_fitting
from gru_suite.options import check_positive
from gru_suite.training.classification_task import ClassificationTask

from .batches.vocabulary import VOCABULARY_KEYS
from .model import SentimentModel
from .training.linear_fit import fit_linear, fitting_weights
from .training.word_vectors import copy_vectors


class SentimentTask(ClassificationTask):
    """A :class:`SentimentModel` in training.

    The linear classifier is fitted first and fixed; gradient descent trains the recurrent network.
    """

    model_class: ClassVar[type[SentimentModel]] = SentimentModel
    model: SentimentModel

    def __init__(
        self,
        *args: Any,
        vectors: str | None = None,
        wide_inverse_penalty: float = 10.0,
        **options: Any,
    ) -> None:
        """Build the model and the loss.

        Args:
            *args: see :class:`ClassificationTask`.
            vectors: file of word vectors (GloVe, fastText) that initialise the embedding; read
                when training starts, and never again.
            wide_inverse_penalty: inverse regularisation strength (C) of the linear classifier's
                logistic regression, above 0; noisy labels, as those of chunks of longer texts,
                need a small one.
            **options: options of :class:`ClassificationTask` and :class:`SentimentModel`.

        Raises:
            UserError: an option is out of its range.
        """
        check_positive("task.wide_inverse_penalty", wide_inverse_penalty)
        super().__init__(*args, **options)
        self.vectors = vectors
        self._inverse_penalty = wide_inverse_penalty
        # For the next fit only, so in no checkpoint.
        self._linear_prior: dict[str, Tensor] | None = None

    def setup(self, stage: str) -> None:
        """Initialise the embedding with word vectors, where a file of them is given."""
        super().setup(stage)
        if stage == "fit" and self.vectors:
            vocabulary = self.model.tokenizer.backend.get_vocab()
            path = Path(self.vectors)
            count = copy_vectors(path, vocabulary, self.model.encoder.embedding.weight.data)
            share = count / len(vocabulary)
            print(f"{path.name}: vectors of {count:,} of {len(vocabulary):,} tokens ({share:.1%})")

    def warm_start(self, train: Iterable[SequenceBatch], val: Iterable[SequenceBatch]) -> None:
        """Fit the linear classifier."""
        if self.model.wide is not None:
            fit_linear(self.model.wide, train, self._inverse_penalty, self._linear_prior)

    def take_over(self, checkpoint: Mapping[str, Any]) -> dict[str, str]:
        """Initialise the backbone, with equal vocabulary the embedding, with equal labels all.

        The linear classifier of the checkpoint becomes the prior of the one that is fitted here.
        """
        notes = super().take_over(checkpoint)
        model = self.model
        schema, state = checkpoint["hyper_parameters"].get("schema", {}), checkpoint["state_dict"]
        if any(schema.get(key) != model.schema.get(key) for key in VOCABULARY_KEYS):
            return notes
        notes |= copy_fitting(model.encoder, state, "encoder.")
        if schema.get("labels") != model.labels:
            return notes
        notes |= copy_fitting(model.poolings, state, "poolings.")
        notes |= copy_fitting(model.head, state, "head.")
        if model.wide is not None:
            self._linear_prior = fitting_weights(model.wide, state, "wide.")
            notes["wide"] = (
                "left: not there, or task.wide_buckets differs"
                if self._linear_prior is None
                else TAKEN
            )
        return notes
