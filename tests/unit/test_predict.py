from pathlib import Path

import pytest
from forecasting_fixtures import make_task
from omegaconf import OmegaConf

from gru_suite.commands.predict import predict_options
from gru_suite.errors import UserError


class DrawingModel:
    name = "drawing"

    def predict_file(self, source: Path, target: Path, annotate: bool = False) -> list[Path]:
        return []


def test_only_a_task_that_draws_is_asked_to() -> None:
    annotated, plain = (OmegaConf.create({"annotate": each, "box": None}) for each in (True, False))
    drawing = DrawingModel()
    assert predict_options(drawing, annotated) == {"annotate": True}  # type: ignore[arg-type]
    assert predict_options(drawing, plain) == {}  # type: ignore[arg-type]
    assert predict_options(make_task().model, plain) == {}
    with pytest.raises(UserError, match=r"annotate=true: a forecasting checkpoint has no such"):
        predict_options(make_task().model, annotated)
    boxed = OmegaConf.create({"annotate": False, "box": [1, 2, 3, 4]})
    with pytest.raises(UserError, match=r"box=\[1, 2, 3, 4\]: a forecasting checkpoint has no"):
        predict_options(make_task().model, boxed)
