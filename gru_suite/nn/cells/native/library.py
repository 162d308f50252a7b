"""The shared library of the C kernel and its instruction set.

``GRU_SUITE_KERNEL=torch`` switches it off; ``avx512``, ``avx2`` or ``portable`` choose an
instruction set where the machine has several.
"""

import ctypes
import logging
import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from gru_suite.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "GRU_SUITE_KERNEL"
OFF = "torch"

_log = logging.getLogger(__name__)

_SIZES = "cell relu num_steps batch_size input_size hidden_size reverse threads half"
_INPUTS = "int8 offsets lengths x state cell_state weight_ih weight_hh bias_ih bias_hh hidden saved"
_GRADIENTS = "grad_hidden grad_last grad_last_cell grad_gates"


def _fields() -> list[tuple[str, type]]:
    number, pointer = ctypes.c_int64, ctypes.c_void_p
    return [
        *((name, number) for name in _SIZES.split()),
        *((name, pointer) for name in _INPUTS.split()),
        *((name, number) for name in ("saved_stride", "save")),
        *((name, pointer) for name in ("last", "last_cell")),
        *((name, number) for name in ("first_step", "last_step")),
        *((name, pointer) for name in _GRADIENTS.split()),
        ("grad_half", pointer),
        *((name, number) for name in ("grad_stride", "first_row")),
        *((name, pointer) for name in ("grad_bias", "grad_state", "grad_cell", "packed", "runner")),
    ]


class Call(ctypes.Structure):
    """``kernel_call`` of recurrent_kernel.h, where every field is explained."""

    _fields_ = _fields()


class _Sum(ctypes.Structure):
    """``kernel_sum`` of recurrent_kernel.h."""

    _fields_ = [
        ("left", ctypes.c_void_p),
        ("left_stride", ctypes.c_int64),
        ("right", ctypes.c_void_p),
        *(
            (name, ctypes.c_int64)
            for name in "right_stride rows left_columns right_columns".split()
        ),
        ("total", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("total_stride", "threads")),
        ("runner", ctypes.c_void_p),
    ]


class MinGruCall(ctypes.Structure):
    """``min_gru_call`` of recurrent_kernel.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in "batch_size num_steps hidden_size threads".split()),
        *((name, ctypes.c_void_p) for name in "sums state hidden grad_hidden".split()),
        *((name, ctypes.c_void_p) for name in "grad_sums grad_state runner".split()),
    ]


class Kernel:
    """The loaded library, set to one instruction set.

    Attributes:
        name: the instruction set.
        has_half: whether it multiplies bfloat16 numbers.
    """

    def __init__(self, library: ctypes.CDLL, wanted: str | None) -> None:
        """Choose the instruction set.

        Args:
            library: the shared library.
            wanted: an instruction set; None is the best of the machine.

        Raises:
            UserError: the machine or the library does not have it.
        """
        library.kernel_isa_name.restype = ctypes.c_char_p
        number = ctypes.c_int64
        library.kernel_row_blocks.restype = library.kernel_packed_floats.restype = number
        library.kernel_row_blocks.argtypes = [number]
        library.kernel_packed_floats.argtypes = [number, number]
        library.kernel_int8_bytes.restype = number
        for function in ("backward", "add_products", "min_gru", "pack_int8"):
            getattr(library, f"kernel_{function}").restype = None
        library.kernel_sum_columns.restype, library.kernel_sum_columns.argtypes = number, [number]
        names: list[str] = []
        while (name := library.kernel_isa_name(len(names))) is not None:
            names.append(name.decode())
        usable = [name for i, name in enumerate(names) if library.kernel_isa_usable(i)]
        if wanted is not None and wanted not in usable:
            raise UserError(f"{VARIABLE}={wanted}: choose one of {', '.join([OFF, *usable])}")
        self.name = wanted or usable[0]
        library.kernel_choose(names.index(self.name))
        self.has_half = bool(library.kernel_has_half())
        self._library = library
        self._runner = _pool_of_torch()

    def call(self) -> Call:
        """Return a new call with only the thread pool set."""
        return Call(runner=self._runner)

    def forward(self, call: Call) -> None:
        """Run all steps of a layer.

        Raises:
            MemoryError: no room for the packed weights.
        """
        if self._library.kernel_forward(ctypes.byref(call)):
            raise MemoryError("kernel: no memory for the packed weights")

    def backward(self, call: Call) -> None:
        """Run some steps of a layer's gradient."""
        self._library.kernel_backward(ctypes.byref(call))

    def add_products(self, total: "Tensor", left: "Tensor", right: "Tensor", threads: int) -> None:
        """Add ``left.t() @ right`` to a total.

        Args:
            total: float32, rows of :meth:`sum_columns` of the columns of ``right``.
            left: rows of float32, each contiguous.
            right: as many rows.
            threads: at most so many.
        """
        (rows, left_columns), right_columns = left.shape, right.size(1)
        given = _Sum(
            *(left.data_ptr(), left.stride(0), right.data_ptr(), right.stride(0)),
            *(rows, left_columns, right_columns),
            *(total.data_ptr(), total.stride(0), threads, self._runner),
        )
        self._library.kernel_add_products(ctypes.byref(given))

    def sum_columns(self, num_columns: int) -> int:
        """Return the columns of a total of :meth:`add_products`, of which the first count."""
        return int(self._library.kernel_sum_columns(num_columns))

    def min_gru(self, call: MinGruCall) -> None:
        """Compute the states of a minGRU, or their gradient."""
        call.runner = self._runner
        self._library.kernel_min_gru(ctypes.byref(call))

    def int8_bytes(self, call: Call) -> int:
        """Return the size of a layer's weights in eight bits."""
        return int(self._library.kernel_int8_bytes(ctypes.byref(call)))

    def pack_int8(self, call: Call, packed: int) -> None:
        """Round a layer's weights to eight bits.

        Args:
            call: with cell, sizes and weights.
            packed: the address of as many bytes as :meth:`int8_bytes` says.
        """
        self._library.kernel_pack_int8(ctypes.byref(call), ctypes.c_void_p(packed))

    def row_blocks(self, batch_size: int) -> int:
        """Return the number of rows of ``grad_bias``."""
        return int(self._library.kernel_row_blocks(batch_size))

    def packed_floats(self, num_gates: int, hidden_size: int) -> int:
        """Return the size of ``packed``."""
        return int(self._library.kernel_packed_floats(num_gates, hidden_size))


@cache
def kernel() -> Kernel | None:
    """Return the kernel; None where it is switched off or was not built."""
    wanted = os.environ.get(VARIABLE) or None
    if wanted == OFF:
        return None
    paths = [Path(__file__).with_name(f"_recurrent_kernel{end}") for end in EXTENSION_SUFFIXES]
    found = [path for path in paths if path.is_file()]
    if not found:
        if wanted is not None:
            raise UserError(
                f"{VARIABLE}={wanted}: the kernel was not built; install with a C compiler"
            )
        _log.debug("the kernel was not built (no C compiler): torch.nn runs instead")
        return None
    return Kernel(ctypes.CDLL(str(found[0])), wanted)


def _pool_of_torch() -> int | None:
    """Return the address of the OpenMP call of torch's thread pool, if it is GNU's.

    A second pool would compete for the cores: torch's threads spin for milliseconds after each
    matrix product.
    """
    try:
        run = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    return ctypes.cast(run, ctypes.c_void_p).value
