"""Hidden sizes at which cells are compared: equal, of equal parameters, or of equal step time.

A GRU has 3/4 of the parameters of an LSTM of its hidden size, so which of them is better can depend
on what is held equal. The reference is always the GRU of ``backbone.hidden_size``.
"""

import statistics
import time
from collections.abc import Callable

import torch
from omegaconf import DictConfig, OmegaConf

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError, nearest
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.training.trainer import build_task

MATCHES = ("hidden_size", "parameters", "time")
_REFERENCE = "gru"
_BATCH, _STEPS, _ROUNDS = 64, 100, 7
# Of a measured time: finer sizes differ by less than the measurement.
_TIME_MULTIPLE = 8


def match_size(cfg: DictConfig, data: SequenceDataModule, chosen: int | None) -> list[str]:
    """Set ``backbone.hidden_size`` by ``compare.match``, where the cell is not the reference.

    Args:
        cfg: of a training; ``compare.match`` is ``hidden_size`` (nothing changes), ``parameters``
            (of the backbone) or ``time`` (of a training step of the backbone alone, batch 64 of 100
            steps, on this machine's CPU).
        data: after ``setup``.
        chosen: the size that this run has had before it was stopped; None for a new run.

    Returns:
        A line on the size, none where nothing changes.

    Raises:
        UserError: there is no such way to match.
    """
    match, cell, size = cfg.compare.match, cfg.backbone.cell, cfg.backbone.hidden_size
    if match not in MATCHES:
        raise UserError(f"compare.match={match}: no such way{nearest(str(match), MATCHES)}")
    if match == "hidden_size" or cell == _REFERENCE:
        return []

    def backbone(cell: str, hidden_size: int) -> RecurrentBackbone:
        other = cfg.copy()
        OmegaConf.update(other, "backbone.cell", cell)
        OmegaConf.update(other, "backbone.hidden_size", hidden_size)
        found: RecurrentBackbone = build_task(other, data).model.backbone
        return found

    if match == "parameters":
        measure, multiple = _count_parameters, 1
    else:
        measure, multiple = _step_seconds, _TIME_MULTIPLE
    target = measure(backbone(_REFERENCE, size))
    found = chosen or closest_size(
        lambda hidden_size: measure(backbone(cell, hidden_size)), target, size, multiple
    )
    OmegaConf.update(cfg, "backbone.hidden_size", found)
    reached = measure(backbone(cell, found))
    unit = "parameters" if match == "parameters" else "s a step"
    return [
        f"backbone.hidden_size={found}: {reached:,.4g} {unit}, {target:,.4g} of {_REFERENCE} with "
        f"{size} (compare.match={match})"
    ]


def closest_size(
    measure: Callable[[int], float], target: float, start: int, multiple: int = 1
) -> int:
    """Return the size at which a growing measure comes closest to a target, by bisection.

    Args:
        measure: of a size; it grows with it.
        target: its wanted value.
        start: a size near the wanted one, at least 1.
        multiple: sizes are multiples of it.
    """
    known: dict[int, float] = {}

    def value(count: int) -> float:
        if count not in known:
            known[count] = measure(count * multiple)
        return known[count]

    low, high = 1, max(1, round(start / multiple))
    while value(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if value(middle) < target:
            low = middle
        else:
            high = middle
    return multiple * min((low, high), key=lambda count: abs(value(count) - target))


def _count_parameters(backbone: RecurrentBackbone) -> float:
    return float(sum(weight.numel() for weight in backbone.parameters()))


def _step_seconds(backbone: RecurrentBackbone) -> float:
    x_BTF = torch.randn(_BATCH, _STEPS, backbone.input_size)
    lengths_B = torch.full((_BATCH,), _STEPS)
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        h_BTH, _state = backbone(x_BTF, lengths_B)
        h_BTH.sum().backward()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
