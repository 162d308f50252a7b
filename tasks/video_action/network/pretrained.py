"""Image networks of torchvision without their classifiers, and their pre-trained weights."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError


class _Network(NamedTuple):
    """Names of a network of torchvision, its weights and its classifier."""

    make: str
    weights: str
    classifier: str
    output_size: int


NETWORKS: dict[str, _Network] = {
    "resnet18": _Network("resnet18", "ResNet18_Weights", "fc", 512),
    "mobilenet_v3_small": _Network(
        "mobilenet_v3_small", "MobileNet_V3_Small_Weights", "classifier", 576
    ),
    "efficientnet_b0": _Network("efficientnet_b0", "EfficientNet_B0_Weights", "classifier", 1280),
}


def build_network(name: str) -> tuple[nn.Module, int]:
    """Return a network of torchvision without classifier, and its number of features.

    Args:
        name: a key of ``NETWORKS``.
    """
    # Imported here: torchvision.models takes 0.8 s, and most models do not use it.
    from torchvision import models  # type: ignore[import-untyped]

    entry = NETWORKS[name]
    network: nn.Module = getattr(models, entry.make)(weights=None)
    setattr(network, entry.classifier, nn.Identity())
    return network, entry.output_size


def load_weights(network: nn.Module, name: str, weights: str) -> None:
    """Load pre-trained weights other than those of the classifier.

    Args:
        network: into which they are loaded.
        name: the encoder's name, as in ``task.encoder.name``.
        weights: ``DEFAULT`` for torchvision's, or the path of a state dict.

    Raises:
        UserError: they cannot be fetched or read, or are another network's.
    """
    state = _fetch(name) if weights == "DEFAULT" else _read(weights)
    classifier = f"{NETWORKS[name].classifier}." if name in NETWORKS else "\0"
    state = {key: value for key, value in state.items() if not key.startswith(classifier)}
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()
        detail = reason[1].strip() if len(reason) > 1 else reason[0]
        raise UserError(
            f"task.encoder.weights={weights}: not the weights of {name} ({detail[:160]})"
        ) from error


def _fetch(name: str) -> dict[str, Tensor]:
    if name not in NETWORKS:
        raise UserError(
            f"task.encoder.weights=DEFAULT: {name} has no pre-trained weights; set "
            f"task.encoder.weights=null, or choose task.encoder.name from {', '.join(NETWORKS)}"
        )
    from torchvision import models

    entry = getattr(models, NETWORKS[name].weights).DEFAULT
    try:
        state: dict[str, Tensor] = entry.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"task.encoder.weights=DEFAULT: the weights of {name} could not be fetched from "
            f"{entry.url} ({error}); set task.encoder.weights=null, or to a file of them"
        ) from error
    return state


def _read(weights: str) -> dict[str, Tensor]:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"task.encoder.weights={weights}: no such file; give DEFAULT, null, or the file of a "
            "state dict"
        )
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise UserError(
            f"task.encoder.weights={weights}: no file of tensors that loads safely "
            f"({str(error).strip().splitlines()[0][:160]})"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"task.encoder.weights={weights}: holds no state dict (names to tensors)")
    return state
