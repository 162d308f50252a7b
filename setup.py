"""The one part of the build that pyproject.toml cannot say: the C kernel, which may be missing."""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = "gru_suite/nn/cells/native"

setup(
    ext_modules=[
        Extension(
            "gru_suite.nn.cells.native._recurrent_kernel",
            [f"{NATIVE}/recurrent_kernel.c"],
            depends=[str(path) for path in sorted(Path(NATIVE).glob("*.h"))],
            # Instruction sets are chosen at run time: nothing here names the machine's own.
            extra_compile_args=["-O3", "-ffp-contract=fast", "-pthread"],
            extra_link_args=["-pthread"],
            # Without a compiler the install goes on, and torch.nn.GRU runs.
            optional=True,
        )
    ]
)
