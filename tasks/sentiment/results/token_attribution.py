"""Which tokens an answer rests on, and a page that shows it.

Shapes: T tokens, F embedding size, K classes, S steps of the path.
"""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gru_suite.files import atomic_path
from gru_suite.model.batches import SequenceBatch

from ..batches.tokenizer import unknown_tokens

if TYPE_CHECKING:
    from ..task import SentimentTask

STEPS = 24
"""Points of the path; with them the contributions add up to the whole within some percent."""

# Okabe and Ito's blue and vermilion, apart for every kind of colour blindness.
_FOR, _AGAINST = (0, 114, 178), (213, 94, 0)


@dataclass(frozen=True)
class TokenImportance:
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


def explain(task: "SentimentTask", text: str, steps: int = STEPS) -> TokenImportance:
    """Return token contributions by integrated gradients (Sundararajan et al. 2017, 1703.01365).

    The path leads from the same number of unknown tokens to the text. The contributions add up to
    the lead of the answer less its lead for the unknown tokens. Those of a linear path are exact.

    Args:
        task: in evaluation mode.
        text: not empty.
        steps: points of the path.
    """
    tokens_T = task.codec.encode([text])[0].to(task.device)
    lengths_S = torch.full((steps,), len(tokens_T), device=task.device)
    with torch.no_grad():
        x_TF = task.encoder(tokens_T[None])[0]
        start_TF = task.encoder(unknown_tokens(tokens_T)[None])[0]
        logits_K = task(SequenceBatch(tokens_T[None], lengths_S[:1], lengths_S[:1]))[0]
    answer = int(logits_K.argmax())
    share_S = (torch.arange(steps, device=task.device) + 0.5) / steps
    path_STF = start_TF + share_S[:, None, None] * (x_TF - start_TF)
    path_STF.requires_grad_(True)
    # cuDNN's recurrences refuse to go backwards in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
        leads = lead(task.classify(path_STF, lengths_S), answer).sum()
        (gradient_STF,) = torch.autograd.grad(leads, path_STF)
    weights_T = (gradient_STF.mean(0) * (x_TF - start_TF)).sum(-1)
    if task.wide is not None:
        wide_T = lead(task.wide.token_scores(tokens_T[None]), answer)
        weights_T = (1 - task.wide_share) * weights_T + task.wide_share * wide_T
    return TokenImportance(
        text,
        task.labels[answer],
        float(logits_K.softmax(-1)[answer]),
        task.codec.spans(text),
        weights_T.cpu().tolist(),
        float(lead(logits_K[None], answer)),
    )


def lead(logits_BK: Tensor, answer: int) -> Tensor:
    """Return a class's logit less the mean of the others', shape (B,)."""
    num_others = logits_BK.size(1) - 1
    own_B = logits_BK[:, answer]
    return own_B - (logits_BK.sum(1) - own_B) / num_others


def write_page(
    path: str | os.PathLike[str], found: Sequence[TokenImportance], note: str = ""
) -> Path:
    """Write a page with a line a text, each token coloured by its contribution.

    The colours of a line are relative to its strongest token.

    Args:
        path: the HTML file.
        found: what to show.
        note: a sentence under the heading.
    """
    lines = "\n".join(html_line(each) for each in found)
    page = f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Token importance</title>
<style>
body {{ font: 16px/1.7 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
  color: #1a1a1a; background: #fff }}
p {{ border-top: 1px solid #ddd; margin: 0; padding: .5em 0; white-space: pre-wrap }}
p b {{ display: inline-block; min-width: 9em }}
span {{ border-radius: 3px; padding: .1em 0 }}
</style>
<h1>Token importance</h1>
<div>{_sample(_FOR, "speaks for the label")} {_sample(_AGAINST, "speaks against it")}
(integrated gradients; colours relative to the strongest token of a line). {html.escape(note)}</div>
{lines}
</html>
"""
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


def html_line(found: TokenImportance) -> str:
    """Return the coloured line of one text."""
    strongest = max((abs(weight) for weight in found.weights), default=0.0) or 1.0
    parts = [f"<p><b>{html.escape(found.label)} {found.probability:.3f}</b> "]
    end = 0
    for (start, stop), weight in zip(found.spans, found.weights, strict=True):
        parts.append(html.escape(found.text[end:start]))
        strength = abs(weight) / strongest
        color = ",".join(map(str, _FOR if weight > 0 else _AGAINST))
        parts.append(
            f'<span style="background:rgba({color},{0.75 * strength:.2f})" title="{weight:+.3f}">'
            f"{html.escape(found.text[start:stop])}</span>"
        )
        end = stop
    parts.append(html.escape(found.text[end:]) + "</p>")
    return "".join(parts)


def _sample(color: tuple[int, int, int], words: str) -> str:
    return f'<span style="background:rgba({",".join(map(str, color))},.5)">{words}</span>'
