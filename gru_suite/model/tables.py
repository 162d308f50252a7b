"""Compressed storage of large tables of weights: a row for each word, or each bucket of a hash.

Shapes: R rows, U rows that are not zero, F features of a row.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

KEY = "tables"
"""Entry of a checkpoint with the compressed tables, by their names in the state."""

# Rows of at least so many features are stored in 8 bits with a scale for each row, others in 16.
_MIN_FEATURES_8_BITS = 8


def pack_tables(state: Mapping[str, Tensor], names: Iterable[str]) -> tuple[Any, Any]:
    """Return a state without its tables, and these compressed.

    Rows of zeros are left out. The error of a value is at most 0.4 % of the largest of its row.

    Args:
        state: of a model.
        names: of the tables; those that are not in the state are ignored.
    """
    tables = {name: _packed(state[name]) for name in names if name in state}
    return {name: part for name, part in state.items() if name not in tables}, tables


def unpack_tables(checkpoint: dict[str, Any]) -> None:
    """Put the tables of a checkpoint back into its state, in float32; once."""
    for name, table in checkpoint.pop(KEY, {}).items():
        checkpoint["state_dict"][name] = _unpacked(table)


def _packed(table: Tensor) -> dict[str, Any]:
    rows_RF = table.detach().cpu().float().reshape(len(table), -1)
    (used_U,) = rows_RF.any(1).nonzero(as_tuple=True)
    values_UF, scale_U = rows_RF[used_U], None
    if rows_RF.size(1) >= _MIN_FEATURES_8_BITS:
        scale_U = (values_UF.abs().amax(1) / 127).clamp(min=1e-30)
        values_UF = (values_UF / scale_U[:, None]).round().to(torch.int8)
    else:
        values_UF = values_UF.half()
    all_used = len(used_U) == len(table)
    return {
        "shape": list(table.shape),
        "rows": None if all_used else used_U.int(),
        "values": values_UF,
        "scale": scale_U,
    }


def _unpacked(packed: Mapping[str, Any]) -> Tensor:
    values_UF: Tensor = packed["values"].float()
    if packed["scale"] is not None:
        values_UF = values_UF * packed["scale"][:, None]
    if packed["rows"] is None:
        return values_UF.reshape(packed["shape"])
    table_RF = torch.zeros(packed["shape"][0], values_UF.size(1))
    table_RF[packed["rows"].long()] = values_UF
    return table_RF.reshape(packed["shape"])
