"""Raw inputs of predictions: paths, folders, arrays of frames.

Shapes: T frames, H height, W width, E times of frames and the end of the last one, K classes.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.data.unreadable_files import find_files, report_left_out
from gru_suite.errors import UserError
from gru_suite.files import existing_folder
from gru_suite.video.reading.video_files import SUFFIXES, is_video_file, read_frames

from ..batches.clip_sampling import ClipSampling
from .streaming import resize_and_crop

Clip = NDArray[np.uint8]


def is_frames(raw: Any) -> bool:
    """Return whether an input is an array of frames."""
    return isinstance(raw, np.ndarray | Tensor)


def clip_sampling(schema: Mapping[str, Any]) -> ClipSampling:
    """Return the sampling of clips in the training data."""
    return ClipSampling(
        int(schema["num_frames"]), schema.get("frame_rate_hz"), int(schema["test_clips"])
    )


def array_clips(raw: Any, schema: Mapping[str, Any]) -> list[Clip]:
    """Return the clips of frames given as an array of shape (T, H, W, 3), uint8.

    Raises:
        UserError: another shape or dtype, or no frame.
    """
    given = raw.detach().cpu() if isinstance(raw, Tensor) else torch.from_numpy(np.array(raw))
    if given.dim() != 4 or given.size(3) != 3 or given.dtype != torch.uint8 or not given.numel():
        raise UserError(
            f"frames of shape {tuple(given.shape)} and type {given.dtype}: needs "
            "(frames, height, width, 3) of torch.uint8, at least one frame"
        )
    frames_THW3 = resize_and_crop(given, schema["size"]).numpy()
    time_E = np.arange(len(frames_THW3) + 1) / (schema.get("frame_rate_hz") or 1.0)
    return _clips(frames_THW3, time_E, clip_sampling(schema))


def read_clips(path: str | Path, schema: Mapping[str, Any]) -> list[Clip]:
    """Read a video and return its test clips.

    Raises:
        ValueError: it cannot be read; the message has the reason, without the name.
    """
    sampling, margin = clip_sampling(schema), int(schema["margin"])
    height, width = (int(side) + margin for side in schema["size"])
    source = sampling.source_sampling(int(schema["oversample"]))
    frames = read_frames(Path(path), source, height, width)
    return _clips(frames.frames_THWC, np.append(frames.time_T, frames.end), sampling)


def _clips(frames_THW3: Clip, time_E: NDArray[np.float64], sampling: ClipSampling) -> list[Clip]:
    count = sampling.count(time_E)
    return [frames_THW3[sampling.clip(time_E, number, count)] for number in range(count)]


def read_inputs(raw: Any, schema: Mapping[str, Any]) -> Iterator[tuple[str, list[Clip]]]:
    """Yield the clips of a video, of each of a list of them, or of those in a folder.

    Unreadable files of a folder are left out, with a warning that lists them.

    Args:
        raw: a path or frames (:func:`array_clips`), a list of these, or a folder.
        schema: description of the training data.

    Yields:
        Name and clips of a video.

    Raises:
        UserError: a given file cannot be read, no file of the folder can, or the input is of
            another type.
    """
    folder = existing_folder(raw)
    if folder is None:
        for each in raw if isinstance(raw, list | tuple) else [raw]:
            yield _read_one(each, schema)
        return
    files, others = find_files(folder, is_video_file)
    unreadable: dict[str, str] = {}
    for path in files:
        try:
            yield str(path), read_clips(path, schema)
        except ValueError as error:
            unreadable[path.relative_to(folder).as_posix()] = str(error)
    report_left_out(folder, len(files), unreadable, others, "video", SUFFIXES)


def _read_one(each: Any, schema: Mapping[str, Any]) -> tuple[str, list[Clip]]:
    if is_frames(each):
        return "frames", array_clips(each, schema)
    if not isinstance(each, str | Path):
        raise UserError(
            f"input of type {type(each).__name__}: needs the path of a video, frames as an array "
            "of shape (frames, height, width, 3), or a list of these"
        )
    path = Path(each).expanduser()
    if not path.is_file():
        raise UserError(f"input {path}: no such file")
    try:
        return str(path), read_clips(path, schema)
    except ValueError as error:
        raise UserError(f"input {path}: {error}") from error


@contextmanager
def reporting_left_out() -> Iterator[None]:
    """Print warnings about files that were left out."""
    with warnings.catch_warnings(record=True) as left_out:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in left_out:
        print(warning.message, flush=True)
