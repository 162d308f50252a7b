"""``gru-suite predict``: predictions for a file, written to a file."""

import inspect
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gru_suite.devices import precision_context, torch_device
from gru_suite.errors import UserError
from gru_suite.model.checkpoint import load
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.options import check_flag
from gru_suite.results.run_folder import start_run


def predict(cfg: DictConfig) -> None:
    """Predict from ``input`` with ``checkpoint`` and print the files written.

    Args:
        cfg: the composed config ``predict.yaml``.
    """
    check_flag("int8", cfg.int8)
    check_flag("annotate", cfg.annotate)
    device = torch_device(cfg.device.accelerator)
    precision = precision_context(device, str(cfg.device.get("precision", "32-true")))
    model = load(cfg.checkpoint, device, cfg.int8)
    options = predict_options(model, cfg)
    # Without a file of its own, the table goes into a run folder.
    folder = None if cfg.output else start_run(cfg)
    target = Path(cfg.output) if folder is None else folder / "predictions.csv"
    with precision:
        written = model.predict_file(Path(cfg.input), target, **options)
    for path in written:
        print(f"written: {path}")
    if folder is not None:
        print(f"run folder: {folder}", flush=True)


def predict_options(model: SequenceModel, cfg: DictConfig) -> dict[str, Any]:
    """Return the further arguments of the model's ``predict_file``.

    Raises:
        UserError: the model does not support an option that was set.
    """
    known = inspect.signature(model.predict_file).parameters
    given: dict[str, Any] = {"annotate": True} if cfg.annotate else {}
    if cfg.box is not None:
        given["box"] = OmegaConf.to_container(cfg.box)
    for name, value in given.items():
        if name not in known:
            written = "true" if value is True else value
            raise UserError(
                f"{name}={written}: a {model.name} checkpoint has no such option; leave it out"
            )
    return given
