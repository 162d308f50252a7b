"""The network of the task: words -> sentence vectors -> backbone over sentences -> scores.

After SummaRuNNer (Nallapati et al. 2017, https://arxiv.org/abs/1611.04230), without its term of
novelty, which needs the choice of the sentences before.

Shapes: B documents, S sentences (right-padded), W words (right-padded), P ids of a word, F features
    of a sentence, H output features of the backbone, K features of
    :class:`SentenceFeatures`, N sentences of all documents.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gru_suite.model.sequence_model import SequenceModel
from gru_suite.options import check_count, check_share
from gru_suite.text.token_encoder import TokenEncoder
from gru_suite.text.tokenizer import PADDING, TextTokenizer

from ..batches.encoding import DocumentBatch
from ..batches.selection import check_selection
from .sentence_encoder import SentenceEncoder
from .sentence_features import NUM_FEATURES, SentenceFeatures

PADDING_SCORE = -1e4
"""Score at padding: a share of 0 in a softmax, also in 16 bits."""


class SentenceScorer(SequenceModel):
    """Scores of the sentences of a document by content, salience, likeness and position.

    Attributes:
        tokenizer: encodes sentences as in training.
        encoder: sentence vectors.
        features: likeness to the document, length, position.
        num_sentences: most sentences of a summary.
        max_words: most words of a summary; None has no limit.
    """

    name: ClassVar[str] = "summarization"
    tables: ClassVar[tuple[str, ...]] = (
        "encoder.words.embedding.weight",
        "encoder.words.ngrams.weight",
    )

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        embedding_size: int = 64,
        word_hidden_size: int = 32,
        sentence_size: int = 64,
        token_dropout: float = 0.3,
        embedding_dropout: float = 0.5,
        sentence_dropout: float = 0.5,
        head_dropout: float = 0.5,
        num_sentences: int | None = None,
        max_words: int | None = None,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack over sentences.
            schema: description of the training data: tokenizer, document frequencies, usual number
                of sentences of a summary.
            embedding_size: features of a word.
            word_hidden_size: units of the recurrence over words in each direction; 0 pools the
                embeddings.
            sentence_size: features of a sentence vector.
            token_dropout: share of words replaced by the unknown one in training, 0 to below 1.
            embedding_dropout: share of embedding features set to zero in training, 0 to below 1.
            sentence_dropout: share of sentence features dropped in training, 0 to below 1.
            head_dropout: share of hidden features dropped in training, 0 to below 1.
            num_sentences: most sentences of a summary; None: the median of the training summaries.
            max_words: most words of a summary; None has no limit.

        Raises:
            UserError: an option is out of its range or set.
        """
        check_count("task.embedding_size", embedding_size, 1)
        check_count("task.word_hidden_size", word_hidden_size, 0)
        check_count("task.sentence_size", sentence_size, 1)
        shares = {"token_dropout": token_dropout, "embedding_dropout": embedding_dropout}
        shares |= {"sentence_dropout": sentence_dropout, "head_dropout": head_dropout}
        for key, share in shares.items():
            check_share(f"task.{key}", share)
        check_selection(num_sentences, max_words)
        super().__init__(backbone, sentence_size + NUM_FEATURES, schema)
        self.tokenizer = TextTokenizer(schema)
        words = TokenEncoder(
            schema["vocabulary_size"],
            embedding_size,
            token_dropout,
            embedding_dropout,
            self.tokenizer.ngrams is not None,
        )
        self.encoder = SentenceEncoder(
            words, embedding_size, word_hidden_size, sentence_size, backbone
        )
        self.features = SentenceFeatures(schema["idf"])
        size = self.backbone.output_size
        self.document = nn.Linear(size, size)
        self.salience = nn.Linear(size, size, bias=False)
        self.content = nn.Linear(size, 1)
        # Without a bias of its own, which a softmax over sentences would not notice.
        self.surface = nn.Linear(NUM_FEATURES, 1, bias=False)
        self.sentence_dropout, self.head_dropout = sentence_dropout, head_dropout
        self.num_sentences: int = num_sentences or schema["num_sentences"]
        self.max_words = max_words

    def forward(self, batch: DocumentBatch) -> Tensor:
        """Return the score of each sentence, shape (B, S); ``PADDING_SCORE`` at padding.

        Values at padding change nothing.
        """
        lengths_B, tokens, words_BS = batch.lengths_B, batch.tokens, batch.words_BS
        place_S = torch.arange(words_BS.size(1), device=words_BS.device)
        valid_BS = place_S < lengths_B.unsqueeze(1)
        words_BS = words_BS.masked_fill(~valid_BS, 0)
        x_BSF = self._sentence_vectors(tokens, words_BS, valid_BS)
        ids_BSW = tokens if tokens.dim() == 3 else tokens[..., 0]
        word_W = torch.arange(ids_BSW.size(2), device=words_BS.device)
        ids_BSW = ids_BSW.masked_fill(word_W >= words_BS.unsqueeze(2), PADDING)
        features_BSK = self.features(ids_BSW, words_BS, lengths_B).to(x_BSF.dtype)
        x_BSF = F.dropout(x_BSF, self.sentence_dropout, self.training)
        h_BSH, _ = self.backbone(torch.cat([x_BSF, features_BSK], 2), lengths_B)
        h_BSH = F.dropout(h_BSH, self.head_dropout, self.training)
        mean_BH = h_BSH.masked_fill(~valid_BS.unsqueeze(2), 0).sum(1) / lengths_B.unsqueeze(1)
        document_BH = torch.tanh(self.document(mean_BH))
        size = h_BSH.size(2)
        salience_BS = (self.salience(h_BSH) * document_BH.unsqueeze(1)).sum(2) / size**0.5
        score_BS: Tensor = self.content(h_BSH).squeeze(2) + salience_BS
        score_BS = score_BS + self.surface(features_BSK).squeeze(2)
        return score_BS.masked_fill(~valid_BS, PADDING_SCORE)

    def _sentence_vectors(self, tokens: Tensor, words_BS: Tensor, valid_BS: Tensor) -> Tensor:
        """Return the vectors of all sentences, shape (B, S, F)."""
        B, S = words_BS.shape
        if torch.compiler.is_exporting():
            # A graph has no rows by mask; a sentence of padding has one word of padding there.
            all_NF: Tensor = self.encoder(tokens.flatten(0, 1), words_BS.flatten().clamp(min=1))
            return all_NF.view(B, S, -1)
        vectors_NF: Tensor = self.encoder(tokens[valid_BS], words_BS[valid_BS])
        x_BSF = vectors_NF.new_zeros(B, S, vectors_NF.size(1))
        x_BSF[valid_BS] = vectors_NF
        return x_BSF
