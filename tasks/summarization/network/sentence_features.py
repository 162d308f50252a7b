"""Features of sentences that need no training: likeness to the document, length, position.

Shapes: B documents, S sentences (right-padded), W words (right-padded), V vocabulary, K features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

NUM_FEATURES = 10

# Where all sentences are alike, their differences are rounding, which must not become a feature.
_LEAST_DEVIATION = 0.02


class SentenceFeatures(nn.Module):
    """Likeness to the TF-IDF centroid, length, and position of each sentence.

    The likeness is the cosine of a sentence's TF-IDF vector and the mean of those of the document
    (Radev et al. 2004, https://aclanthology.org/W00-0403). Of likeness and length there are the
    value and its standard score within the document; of the position the share of the document
    before the sentence, the logarithms of the sentences before and after it, and whether it is the
    first or the last; and the logarithm of the number of sentences.
    """

    idf_V: Tensor

    def __init__(self, idf: Sequence[float]) -> None:
        """Keep the inverse document frequencies.

        Args:
            idf: of each token of the vocabulary; 0 for those that do not count.
        """
        super().__init__()
        # Part of the schema, so not of the state_dict.
        self.register_buffer("idf_V", torch.tensor(idf), persistent=False)

    def forward(self, ids_BSW: Tensor, words_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Return the features, shape (B, S, K); those of padding have no meaning.

        Args:
            ids_BSW: token ids; those of padding have a frequency of 0.
            words_BS: words of each sentence, 0 at padding.
            lengths_B: sentences of each document.
        """
        place_S = torch.arange(words_BS.size(1), device=words_BS.device)
        valid_BS = place_S < lengths_B.unsqueeze(1)
        like_BS = self.likeness(ids_BSW, lengths_B)
        long_BS = torch.log1p(words_BS.to(like_BS.dtype)) - 3
        place_BS = place_S.to(like_BS.dtype).expand_as(like_BS)
        after_BS = (lengths_B.unsqueeze(1) - 1 - place_BS).clamp(min=0)
        number_BS = lengths_B.unsqueeze(1).to(like_BS.dtype).expand_as(like_BS)
        features = [
            like_BS - 0.5,
            _standard_score(like_BS, valid_BS),
            long_BS,
            _standard_score(long_BS, valid_BS),
            place_BS / (number_BS - 1).clamp(min=1) - 0.5,
            torch.log1p(place_BS) - 1,
            torch.log1p(after_BS) - 1,
            (place_BS == 0).to(like_BS.dtype),
            (after_BS == 0).to(like_BS.dtype),
            number_BS.log() - 2,
        ]
        return torch.stack(features, 2)

    def likeness(self, ids_BSW: Tensor, lengths_B: Tensor) -> Tensor:
        """Return the cosine of each sentence's TF-IDF vector and the centroid, shape (B, S)."""
        idf_BSW = self.idf_V[ids_BSW]
        # The square of a vector's length: each word counts as often as it occurs, times as often.
        same_BSWW = ids_BSW.unsqueeze(3) == ids_BSW.unsqueeze(2)
        count_BSW = same_BSWW.sum(3).to(idf_BSW.dtype)
        square_BS = (idf_BSW.square() * count_BSW).sum(2)
        weight_BSW = idf_BSW / square_BS.clamp(min=1e-12).sqrt().unsqueeze(2)
        empty_BV = idf_BSW.new_zeros(ids_BSW.size(0), self.idf_V.size(0))
        sum_BV = empty_BV.scatter_add(1, ids_BSW.flatten(1), weight_BSW.flatten(1))
        length_B1 = sum_BV.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        dot_BSW = weight_BSW * sum_BV.gather(1, ids_BSW.flatten(1)).view_as(weight_BSW)
        return dot_BSW.sum(2) / length_B1


def _standard_score(value_BS: Tensor, valid_BS: Tensor) -> Tensor:
    """Return the distance from the document's mean in standard deviations."""
    number_B1 = valid_BS.sum(1, keepdim=True).clamp(min=1)
    mean_B1 = value_BS.where(valid_BS, 0).sum(1, keepdim=True) / number_B1
    apart_BS = (value_BS - mean_B1).where(valid_BS, 0)
    deviation_B1 = (apart_BS.square().sum(1, keepdim=True) / number_B1 + 1e-12).sqrt()
    return apart_BS / (deviation_B1 + _LEAST_DEVIATION)
