"""Tables of boxes: a row for each object in each frame."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gru_suite.data.tables.text_tables import read_table, table_column, text_cells
from gru_suite.errors import UserError

from .tracks import Parts, Track, Tracks

COLUMNS = ("video", "frame", "object", "x", "y", "width", "height")
LEAST_FRAMES = 8
"""Shorter tracks are left out."""


def read_box_table(path: Path, group_column: str | None, part_column: str | None) -> Parts:
    """Read a table with the columns ``COLUMNS``, and ``visible`` (0 or 1) where there is one.

    Frames are numbered from 0. Frames of an object that have no row are unknown; a track begins at
    its first visible box.

    Args:
        path: the table; videos are relative to its folder.
        group_column: objects with the same value are in one part; None keeps those of a video
            together.
        part_column: train, val or test; None where there is none.

    Raises:
        UserError: the table cannot be read, or a value is none.
    """
    frame, _ = read_table(path)
    texts = {
        name: text_cells(table_column(frame, name, path.name, "a table of boxes", True), path.name)
        for name in COLUMNS
    }
    numbers = {
        name: _numbers(texts[name], name, path)
        for name in COLUMNS
        if name != "video" and name != "object"
    }
    visible = np.ones(len(frame), bool)
    if "visible" in frame.columns:
        cells = text_cells(frame["visible"], path.name)
        visible = np.array([cell.lower() in ("1", "true", "yes") for cell in cells])
    groups = _optional(frame, group_column, path) or texts["video"]
    parts = _optional(frame, part_column, path) or ["train"] * len(frame)
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(texts["video"], texts["object"], strict=True)):
        rows_of.setdefault(key, []).append(row)
    found: Parts = {}
    short = 0
    for (video, name), rows in rows_of.items():
        index = np.array(rows)
        track = _track(path, video, name, index, numbers, visible, groups[rows[0]])
        if track is None:
            short += 1
            continue
        found.setdefault(parts[rows[0]], Tracks()).items.append(track)
    if not found:
        raise UserError(f"{path}: no object is visible in {LEAST_FRAMES} frames or more")
    if short:
        note = f"left out, visible in fewer than {LEAST_FRAMES} frames: {short} objects"
        next(iter(found.values())).notes.append(note)
    return found


def _track(
    path: Path,
    video: str,
    name: str,
    rows: Any,
    numbers: dict[str, Any],
    visible: Any,
    group: str,
) -> Track | None:
    frames = numbers["frame"][rows].astype(int)
    order = np.argsort(frames, kind="stable")
    rows, frames = rows[order], frames[order]
    seen = frames[visible[rows]]
    if not len(seen):
        return None
    first, last = int(seen[0]), int(frames[-1])
    length = last - first + 1
    if length < LEAST_FRAMES:
        return None
    boxes_T4 = np.full((length, 4), np.nan, np.float32)
    visible_T = np.zeros(length, bool)
    kept = frames >= first
    boxes_T4[frames[kept] - first] = np.stack(
        [numbers[key][rows[kept]] for key in ("x", "y", "width", "height")], 1
    )
    visible_T[frames[kept] - first] = visible[rows[kept]]
    return Track(path.parent / video, f"{video} {name}", first, boxes_T4, visible_T, group)


def _optional(frame: pd.DataFrame, column: str | None, path: Path) -> list[str] | None:
    if column is None:
        return None
    return text_cells(table_column(frame, column, path.name, "data.group_column", True), path.name)


def _numbers(cells: list[str], name: str, path: Path) -> Any:
    values = pd.to_numeric(pd.Series(cells), errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(f"{path.name}: row {row + 1}: {name}={cells[row]!r} is not a number")
    return values
