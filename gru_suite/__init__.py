"""GRU Suite: one recurrent backbone for forecasting, text, speech and video.

``gru_suite.load("best.ckpt").predict(raw_input)`` uses a checkpoint in any program.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gru_suite.model.checkpoint import load
    from gru_suite.nn.weights import load_backbone, save_backbone

    __version__: str

__all__ = ["__version__", "load", "load_backbone", "save_backbone"]


def __getattr__(name: str) -> Any:
    # On demand, because torch takes seconds to import and most of the command line needs none.
    if name == "load":
        from gru_suite.model.checkpoint import load

        return load
    if name in ("load_backbone", "save_backbone"):
        from gru_suite.nn import weights

        return getattr(weights, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("gru-suite")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
