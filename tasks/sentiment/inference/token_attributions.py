"""Token attributions of a prediction, by integrated gradients.

Shapes: B batch, T tokens, F embedding size, K classes, S steps of the path.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gru_suite.model.batches import SequenceBatch
from gru_suite.text.tokenizer import unknown_like

from ..network.text_classifier import TextClassifier

NUM_STEPS = 24
"""Points of the path: enough for the attributions to add up to the margin within a few percent."""


@dataclass(frozen=True)
class TokenAttributions:
    """Contribution of each token to the prediction of a text.

    Attributes:
        text: the input.
        label: the predicted label.
        probability: of that label.
        offsets: start and end of each token in the text.
        attributions: contribution of each token to the margin, positive for the label.
        margin: logit of the label minus the mean of the other logits.
    """

    text: str
    label: str
    probability: float
    offsets: list[tuple[int, int]]
    attributions: list[float]
    margin: float


def integrated_gradients(
    model: TextClassifier, text: str, num_steps: int = NUM_STEPS
) -> TokenAttributions:
    """Return token attributions by integrated gradients (Sundararajan et al. 2017, 1703.01365).

    The baseline is a text of as many unknown tokens. The attributions add up to the margin minus
    that of the baseline. Those of the linear classifier are exact.

    Args:
        model: in evaluation mode.
        text: not empty.
        num_steps: points of the path from the baseline to the text.
    """
    tokens_T = model.tokenizer.encode([text])[0].to(model.device)
    lengths_S = torch.full((num_steps,), len(tokens_T), device=model.device)
    with torch.no_grad():
        x_TF = model.encoder(tokens_T[None])[0]
        baseline_TF = model.encoder(unknown_like(tokens_T)[None])[0]
        logits_K = model(SequenceBatch(tokens_T[None], lengths_S[:1], lengths_S[:1]))[0]
    target = int(logits_K.argmax())
    share_S = (torch.arange(num_steps, device=model.device) + 0.5) / num_steps
    path_STF = baseline_TF + share_S[:, None, None] * (x_TF - baseline_TF)
    path_STF.requires_grad_(True)
    # The recurrences of cuDNN have no backward pass in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
        margins = margin(model.classify(path_STF, lengths_S), target).sum()
        (gradient_STF,) = torch.autograd.grad(margins, path_STF)
    attributions_T = (gradient_STF.mean(0) * (x_TF - baseline_TF)).sum(-1)
    if model.wide is not None:
        linear_T = margin(model.wide.token_scores(tokens_T[None]), target)
        attributions_T = torch.lerp(attributions_T, linear_T, model.wide_share)
    return TokenAttributions(
        text,
        model.labels[target],
        float(logits_K.softmax(-1)[target]),
        model.tokenizer.offsets(text),
        attributions_T.cpu().tolist(),
        float(margin(logits_K[None], target)),
    )


def margin(logits_BK: Tensor, target: int) -> Tensor:
    """Return the logit of a class minus the mean of the others, shape (B,)."""
    num_others = logits_BK.size(1) - 1
    target_B = logits_BK[:, target]
    return target_B - (logits_BK.sum(1) - target_B) / num_others
