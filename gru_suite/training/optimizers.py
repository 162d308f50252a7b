"""Closed tables of optimizers and learning-rate schedules, built from plain config data."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from gru_suite.errors import UserError, nearest

Config = dict[str, Any]
Check = tuple[Callable[[Any], bool], str]
"""A test of a value and the words for what passes it."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_POSITIVE: Check = (lambda v: _is_number(v) and v > 0, "a number above 0")
_NOT_NEGATIVE: Check = (lambda v: _is_number(v) and v >= 0, "a number of at least 0")
_DECAY: Check = (lambda v: _is_number(v) and 0 <= v < 1, "a number from 0 to below 1")
_FRACTION: Check = (lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1")
_COUNT: Check = (_is_count, "a whole number of at least 0")
_FLAG: Check = (lambda v: isinstance(v, bool), "true or false")
_BETAS: Check = (
    lambda v: isinstance(v, list | tuple) and len(v) == 2 and all(_DECAY[0](beta) for beta in v),
    "two numbers from 0 to below 1",
)


@dataclass(frozen=True)
class _Choice:
    """An entry of a table: its options, and for optimizers the class."""

    options: dict[str, Check]
    make: type[Optimizer] | None = None
    fused_on_cpu: bool = False


_ADAM_OPTIONS = {"lr": _POSITIVE, "weight_decay": _NOT_NEGATIVE, "betas": _BETAS, "eps": _POSITIVE}
OPTIMIZERS: dict[str, _Choice] = {
    "adamw": _Choice(_ADAM_OPTIONS, torch.optim.AdamW, fused_on_cpu=True),
    "adam": _Choice(_ADAM_OPTIONS, torch.optim.Adam, fused_on_cpu=True),
    "sgd": _Choice(
        {"lr": _POSITIVE, "weight_decay": _NOT_NEGATIVE, "momentum": _DECAY, "nesterov": _FLAG},
        torch.optim.SGD,
    ),
    "rmsprop": _Choice(
        {
            "lr": _POSITIVE,
            "weight_decay": _NOT_NEGATIVE,
            "momentum": _DECAY,
            "alpha": _DECAY,
            "eps": _POSITIVE,
        },
        torch.optim.RMSprop,
    ),
}
SCHEDULERS: dict[str, _Choice] = {
    "constant": _Choice({"warmup_fraction": _DECAY}),
    "cosine": _Choice({"warmup_fraction": _DECAY, "final_fraction": _FRACTION}),
    "exponential": _Choice({"gamma": _FRACTION, "start_epoch": _COUNT}),
    "plateau": _Choice({"factor": _DECAY, "patience": _COUNT}),
}


def build_optimizer(
    parameters: nn.Module | Iterable[nn.Parameter], config: Config, fused: bool = True
) -> Optimizer:
    """Build an optimizer for all trainable parameters.

    Weight decay is applied to matrices only, never to biases and other parameters of one dimension.

    Args:
        parameters: a module, or its parameters.
        config: ``name`` (adamw, adam, sgd or rmsprop), ``lr``, and the optimizer's own options
            under torch's names, which have torch's defaults: ``{"name": "adamw", "lr": 0.001}``.
        fused: on the CPU, update all parameters in one operation; not in mixed precision, where
            Lightning does not clip the gradients of such an optimizer.

    Raises:
        UserError: unknown name or option, or a value out of its range.
    """
    choice, options = _choose("optimizer", OPTIMIZERS, config)
    if "lr" not in options:
        raise UserError("optimizer.lr is missing: give a number above 0, such as 0.001")
    if options.get("nesterov") and not options.get("momentum"):
        raise UserError("optimizer.nesterov=True needs optimizer.momentum above 0")
    if isinstance(parameters, nn.Module):
        parameters = parameters.parameters()
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise UserError("optimizer: the model has no trainable parameters")
    matrices = [parameter for parameter in trainable if parameter.dim() > 1]
    others = [parameter for parameter in trainable if parameter.dim() <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    # On CPU the default updates tensor by tensor in many small operations. Elsewhere it is fast
    # already.
    if (
        fused
        and choice.fused_on_cpu
        and all(parameter.device.type == "cpu" for parameter in trainable)
    ):
        options["fused"] = True
    assert choice.make is not None
    make: Callable[..., Optimizer] = choice.make
    return make([group for group in groups if group["params"]], **options)


def build_scheduler(
    optimizer: Optimizer, config: Config, total_steps: float, steps_per_epoch: int
) -> dict[str, Any] | None:
    """Build a learning-rate schedule in the form that Lightning's ``configure_optimizers`` returns.

    - ``constant``: after a linear warm-up over ``warmup_fraction`` of all steps (default 0), the
      optimizer's rate.
    - ``cosine``: the same warm-up, then half a cosine down to ``final_fraction`` (default 0) of the
      rate.
    - ``exponential``: the full rate through epoch ``start_epoch`` (counted from 0, default 0), then
      times ``gamma`` each epoch.
    - ``plateau``: times ``factor`` (default 0.1) after more than ``patience`` epochs (default 10)
      in which ``val/loss`` has not fallen.

    Args:
        optimizer: whose learning rate is the full one.
        config: ``name`` and the schedule's options: ``{"name": "cosine"}``.
        total_steps: optimizer steps of the whole training.
        steps_per_epoch: optimizer steps of an epoch, at least 1.

    Returns:
        Lightning's ``lr_scheduler`` entry, or None where the rate never changes.

    Raises:
        UserError: unknown name or option, a value out of its range, or a schedule that needs an end
            of training.
    """
    _, options = _choose("scheduler", SCHEDULERS, config)
    name = config["name"]
    if name == "plateau":
        plateau = ReduceLROnPlateau(optimizer, **options)
        return {"scheduler": plateau, "interval": "epoch", "frequency": 1, "monitor": "val/loss"}
    if name == "constant" and not options.get("warmup_fraction"):
        return None
    rate = _rate_by_step(name, options, total_steps, steps_per_epoch)
    return {"scheduler": LambdaLR(optimizer, rate), "interval": "step", "frequency": 1}


def _rate_by_step(
    name: str, options: Config, total_steps: float, steps_per_epoch: int
) -> Callable[[int], float]:
    """Return the share of the full rate as a function of the step."""
    if name == "exponential":
        if "gamma" not in options:
            raise UserError("scheduler.gamma is missing: give a number from 0 to 1, such as 0.9")
        gamma, start_epoch = float(options["gamma"]), int(options.get("start_epoch", 0))

        def exponential(step: int) -> float:
            return float(gamma ** max(0, step // steps_per_epoch - start_epoch))

        return exponential
    if not math.isfinite(total_steps) or total_steps < 1:
        raise UserError(f"scheduler.name={name!r} needs an end of training: set trainer.max_epochs")
    warmup_steps = round(options.get("warmup_fraction", 0.0) * total_steps)
    final = options.get("final_fraction", 0.0) if name == "cosine" else 1.0
    return partial(_cosine, warmup_steps=warmup_steps, total_steps=total_steps, final=final)


def _cosine(step: int, warmup_steps: int, total_steps: float, final: float) -> float:
    """Return the share of the full rate at a step; ``final=1`` keeps it full after the warm-up."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = min(1.0, (step - warmup_steps) / max(1.0, total_steps - warmup_steps))
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


def _choose(section: str, table: dict[str, _Choice], config: Config) -> tuple[_Choice, Config]:
    """Look a config's name up and check its options, whose keys are the config's others."""
    name = config.get("name")
    if name is None:
        raise UserError(f"{section}.name is missing: choose one of {', '.join(table)}")
    if name not in table:
        raise UserError(f"{section}.name={name!r} is unknown{nearest(str(name), table)}")
    choice = table[name]
    options = {key: value for key, value in config.items() if key != "name"}
    for key, value in options.items():
        if key not in choice.options:
            raise UserError(
                f"{section}.{key} is not an option of {section}.name={name}"
                f"{nearest(str(key), choice.options)}"
            )
        passes, words = choice.options[key]
        if not passes(value):
            raise UserError(f"{section}.{key}={value!r}: needs {words}")
    return choice, options
