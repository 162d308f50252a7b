"""Which tokens an answer rests on, and a page that shows it.

Shapes: T tokens, F embedding size, K classes, S steps of the path.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gru_suite.model.batches import SequenceBatch

from ..batches.tokenizer import unknown_tokens
from ..network.text_classifier import TextClassifier

STEPS = 24
"""Points of the path; with them the contributions add up to the whole within some percent."""


@dataclass(frozen=True)
class TokenAttributions:
    """How much each token speaks for the answer given.

    Attributes:
        text: the input.
        label: the answer.
        probability: of the answer.
        spans: where each token begins and ends in the text.
        weights: contribution of each token to the answer's lead, in logits: above zero for it,
            below zero against it.
        lead: the answer's logit less the mean of the others'.
    """

    text: str
    label: str
    probability: float
    spans: list[tuple[int, int]]
    weights: list[float]
    lead: float


def integrated_gradients(model: TextClassifier, text: str, steps: int = STEPS) -> TokenAttributions:
    """Return token contributions by integrated gradients (Sundararajan et al. 2017, 1703.01365).

    The path leads from the same number of unknown tokens to the text. The contributions add up to
    the lead of the answer less its lead for the unknown tokens. Those of a linear path are exact.

    Args:
        model: in evaluation mode.
        text: not empty.
        steps: points of the path.
    """
    tokens_T = model.codec.encode([text])[0].to(model.device)
    lengths_S = torch.full((steps,), len(tokens_T), device=model.device)
    with torch.no_grad():
        x_TF = model.encoder(tokens_T[None])[0]
        start_TF = model.encoder(unknown_tokens(tokens_T)[None])[0]
        logits_K = model(SequenceBatch(tokens_T[None], lengths_S[:1], lengths_S[:1]))[0]
    answer = int(logits_K.argmax())
    share_S = (torch.arange(steps, device=model.device) + 0.5) / steps
    path_STF = start_TF + share_S[:, None, None] * (x_TF - start_TF)
    path_STF.requires_grad_(True)
    # cuDNN's recurrences refuse to go backwards in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
        leads = lead(model.classify(path_STF, lengths_S), answer).sum()
        (gradient_STF,) = torch.autograd.grad(leads, path_STF)
    weights_T = (gradient_STF.mean(0) * (x_TF - start_TF)).sum(-1)
    if model.wide is not None:
        wide_T = lead(model.wide.token_scores(tokens_T[None]), answer)
        weights_T = (1 - model.wide_share) * weights_T + model.wide_share * wide_T
    return TokenAttributions(
        text,
        model.labels[answer],
        float(logits_K.softmax(-1)[answer]),
        model.codec.spans(text),
        weights_T.cpu().tolist(),
        float(lead(logits_K[None], answer)),
    )


def lead(logits_BK: Tensor, answer: int) -> Tensor:
    """Return a class's logit less the mean of the others', shape (B,)."""
    num_others = logits_BK.size(1) - 1
    own_B = logits_BK[:, answer]
    return own_B - (logits_BK.sum(1) - own_B) / num_others
