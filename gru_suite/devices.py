"""Devices by the names of the config group ``device``."""

import torch

from gru_suite.errors import UserError


def torch_device(accelerator: str) -> torch.device:
    """Return the torch device of ``device.accelerator``."""
    check_device(accelerator)
    use_gpu = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def check_device(accelerator: str) -> None:
    """Raise UserError if a GPU is requested and none is available."""
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError(f"device={accelerator}: no GPU was found; use device=cpu or device=auto")
