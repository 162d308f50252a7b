"""Losses of sentence scores.

Shapes: B documents, S sentences (right-padded).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from gru_suite.errors import UserError, nearest

LOSSES = ("auto", "listwise", "expected", "binary")


def resolve_loss(loss: str, num_sentences: int, labelled: bool) -> str:
    """Return the loss of ``task.loss``: expected for summaries of one sentence, else binary.

    Args:
        loss: the option.
        num_sentences: of a summary.
        labelled: whether the file has labels, which may keep any number of sentences.

    Raises:
        UserError: there is no such loss.
    """
    if loss not in LOSSES:
        raise UserError(f"task.loss={loss}: no such loss{nearest(str(loss), LOSSES)}")
    if loss != "auto":
        return loss
    return "binary" if labelled or num_sentences > 1 else "expected"


def sentence_loss(
    kind: str,
    temperature: float,
    score_BS: Tensor,
    gains_BS: Tensor,
    targets_BS: Tensor,
    lengths_B: Tensor,
) -> Tensor:
    """Return the mean loss of documents, a scalar.

    - ``listwise``: cross-entropy of the softmax over the sentences of a document against that of
      their gains (ListNet, Cao et al. 2007, https://doi.org/10.1145/1273496.1273513).
    - ``expected``: 1 minus the expected gain of a sentence drawn from the softmax, and minus
      ``temperature`` times the entropy of the softmax, without which it would soon be certain.
    - ``binary``: mean cross-entropy of each sentence against its label (Nallapati et al. 2017).

    Args:
        kind: one of these.
        temperature: above 0; of ``listwise`` that of the softmax of gains, where a small one
            prefers the best sentence.
        score_BS: of the network, ``PADDING_SCORE`` at padding.
        gains_BS: value of each sentence, 0 to 1.
        targets_BS: its label.
        lengths_B: sentences of each document.
    """
    score_BS = score_BS.float()
    valid_BS = torch.arange(score_BS.size(1), device=score_BS.device) < lengths_B.unsqueeze(1)
    if kind == "binary":
        each_BS = F.binary_cross_entropy_with_logits(score_BS, targets_BS, reduction="none")
        return (each_BS.masked_fill(~valid_BS, 0).sum(1) / lengths_B).mean()
    log_share_BS = score_BS.log_softmax(1).masked_fill(~valid_BS, 0)
    if kind == "expected":
        share_BS = log_share_BS.exp().masked_fill(~valid_BS, 0)
        return 1 - (share_BS * (gains_BS - temperature * log_share_BS)).sum(1).mean()
    goal_BS = (gains_BS / temperature).masked_fill(~valid_BS, -torch.inf).softmax(1)
    return -(goal_BS * log_share_BS).sum(1).mean()
