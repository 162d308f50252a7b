"""Checks of the model's options."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gru_suite.errors import UserError
from gru_suite.options import check_choice

from .decoders import DECODERS
from .layers import WindowNormalizer

LOSSES = ("mse", "mae", "huber", "quantile")
CHANNELS = ("independent", "mixed")
SKIPS = ("none", "trained", "ridge")
CALIBRATIONS = ("none", "split", "adaptive")
# Steps of a segment where the data have no season.
DEFAULT_STEPS = 8


def check_choices(
    loss: str, normalization: str, channels: str, decoder: str, skip: str, calibration: str
) -> None:
    """Raise UserError for an option that is none of its choices."""
    check_choice("task.loss", loss, LOSSES)
    check_choice("task.normalization", normalization, WindowNormalizer.KINDS)
    check_choice("task.channels", channels, CHANNELS)
    check_choice("task.decoder", decoder, DECODERS)
    check_choice("task.skip", skip, SKIPS)
    check_choice("task.calibration", calibration, CALIBRATIONS)


def check_quantiles(quantiles: Sequence[float]) -> list[float]:
    """Return quantile levels, checked to rise within (0, 1) symmetrically about the median."""
    levels = [float(q) for q in quantiles]
    mirrored = [1 - q for q in reversed(levels)]
    symmetric = all(abs(a - b) < 1e-9 for a, b in zip(levels, mirrored, strict=True))
    rising = all(a < b for a, b in pairwise([0.0, *levels, 1.0]))
    if not (len(levels) % 2 and rising and symmetric):
        raise UserError(
            f"task.quantiles={levels}: needs rising levels between 0 and 1, symmetric about "
            "a median of 0.5, such as [0.1,0.5,0.9]"
        )
    return levels


def choose_segment_size(segment_size: int | None, schema: dict[str, Any]) -> int:
    """Return the steps of a segment: as given, or a season within the lookback."""
    lookback, season_length = schema["lookback"], schema["season_length"] or 1
    if segment_size is None:
        return int(min(season_length if season_length > 1 else DEFAULT_STEPS, lookback))
    if not 1 <= segment_size <= lookback:
        raise UserError(f"task.segment_size={segment_size}: needs 1 to data.lookback ({lookback})")
    return segment_size
