"""Tracking benchmarks in their published layouts: OTB, GOT-10k, MOT."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError

from .box_tables import LEAST_FRAMES
from .frames import list_images
from .tracks import Parts, Track, Tracks


def read_benchmark(root: Path) -> Parts:
    """Read a folder in one of the layouts, recognised by its files.

    - OTB (Wu et al. 2013): a folder for each sequence with ``img/0001.jpg`` and so on and
      ``groundtruth_rect.txt`` (``groundtruth_rect.2.txt`` for a further object).
    - GOT-10k (Huang et al. 2019, arXiv 1810.11981): folders ``train``, ``val``, ``test`` of
      sequences with ``00000001.jpg``, ``groundtruth.txt`` and ``absence.label``.
    - MOT (https://motchallenge.net): sequences with ``img1/000001.jpg`` and ``gt/gt.txt``: frame,
      object, x, y, width, height, confidence, class, visibility.

    Args:
        root: the folder.

    Raises:
        UserError: no such folder, none of the layouts, or a line that is none.
    """
    if not root.is_dir():
        raise UserError(f"data.path={root}: no such folder or table")
    parts: Parts = {}
    for truth in sorted(root.rglob("*.txt")):
        tracks: list[Track] = []
        if truth.name == "gt.txt":
            tracks = _mot(truth)
        elif truth.name == "groundtruth.txt":
            tracks = [_single(truth, truth.parent, _absent(truth.parent))]
        elif re.fullmatch(r"groundtruth_rect(\.\d+)?\.txt", truth.name):
            tracks = [_single(truth, truth.parent / "img", None)]
        part = next((p for p in reversed(truth.relative_to(root).parts) if p in PARTS), "train")
        if tracks:
            kept = [each for each in tracks if len(each.boxes_T4) >= LEAST_FRAMES]
            parts.setdefault(part, Tracks()).items.extend(kept)
    if not parts:
        raise UserError(
            f"data.path={root}: found no groundtruth_rect.txt (OTB), groundtruth.txt (GOT-10k) or "
            "gt/gt.txt (MOT); or give a table with the columns video, frame, object, x, y, width, "
            "height"
        )
    return parts


def _numbers(path: Path, columns: int) -> NDArray[np.float64]:
    rows = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        cells = [cell for cell in re.split(r"[,;\s]+", line.strip()) if cell]
        if not cells:
            continue
        try:
            rows.append([float(cell) for cell in cells[:columns]])
        except ValueError:
            raise UserError(f"{path}: line {number}: found {line[:60]!r}, needs numbers") from None
        if len(rows[-1]) < min(columns, 4):
            raise UserError(
                f"{path}: line {number}: found {len(rows[-1])} numbers, needs {columns}"
            )
    width = max(map(len, rows), default=columns)
    return np.array([row + [1.0] * (width - len(row)) for row in rows], np.float64)


def _absent(folder: Path) -> NDArray[np.bool_] | None:
    path = folder / "absence.label"
    return _numbers(path, 1)[:, 0] > 0 if path.is_file() else None


def _single(truth: Path, images: Path, absent: NDArray[np.bool_] | None) -> Track:
    boxes_T4 = _numbers(truth, 4).astype(np.float32)
    count = len(list_images(images)) if images.is_dir() else len(boxes_T4)
    boxes_T4 = boxes_T4[:count]
    known_T4 = np.isfinite(boxes_T4) & (boxes_T4 > [-np.inf, -np.inf, 0, 0])
    visible_T: NDArray[np.bool_] = np.asarray(known_T4.all(1))
    if absent is not None:
        visible_T &= ~absent[: len(visible_T)]
    name = truth.parent.name
    object_name = truth.stem.partition(".")[2]
    return Track(images, f"{name} {object_name}".strip(), 0, boxes_T4, visible_T, name)


def _mot(truth: Path) -> list[Track]:
    sequence = truth.parent.parent
    rows = _numbers(truth, 9)
    found: list[Track] = []
    for number in np.unique(rows[:, 1]):
        own = rows[rows[:, 1] == number]
        # Confidence 0 marks boxes that are not to be considered.
        own = own[own[:, 6] > 0] if own.shape[1] > 6 else own
        if not len(own):
            continue
        frames = own[:, 0].astype(int) - 1
        first, last = int(frames.min()), int(frames.max())
        boxes_T4 = np.full((last - first + 1, 4), np.nan, np.float32)
        visible_T = np.zeros(len(boxes_T4), bool)
        boxes_T4[frames - first] = own[:, 2:6]
        visible_T[frames - first] = own[:, 8] > 0.3 if own.shape[1] > 8 else True
        start = int(np.argmax(visible_T))
        if visible_T.any():
            found.append(
                Track(
                    sequence / "img1",
                    f"{sequence.name} {int(number)}",
                    first + start,
                    boxes_T4[start:],
                    visible_T[start:],
                    sequence.name,
                )
            )
    return found
