"""Devices by the names of the config group ``device``, and what this machine has of them."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from gru_suite.errors import UserError, nearest
from gru_suite.launchers import find_launch

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "64-true")
_ACCELERATORS = ("auto", "cpu", "gpu", "cuda")
_MATCHING = {
    "srun": "device.devices is the number of srun's --ntasks-per-node, device.num_nodes of --nodes",
    "torchrun": "device.devices is the number of --nproc-per-node, device.num_nodes of --nnodes",
}


def torch_device(accelerator: str) -> torch.device:
    """Return the torch device of ``device.accelerator``.

    Raises:
        UserError: it is a GPU, and none was found.
    """
    check_devices({"accelerator": accelerator})
    use_gpu = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def precision_context(
    device: torch.device, precision: str
) -> AbstractContextManager[None] | torch.autocast:
    """Return the context in which a model predicts with ``device.precision``.

    Raises:
        UserError: there are no predictions of that precision here.
    """
    check_devices({"accelerator": device.type, "precision": precision})
    if precision == "64-true":
        raise UserError(
            "device.precision=64-true: checkpoints predict in single precision\n"
            "use device.precision=32-true, or bf16-mixed"
        )
    if precision == "32-true":
        return nullcontext()
    half = torch.bfloat16 if precision == "bf16-mixed" else torch.float16
    return torch.autocast(device.type, half)


def count_devices(device: Mapping[str, Any]) -> int:
    """Return the number of processes that ``device.devices`` asks for on this node."""
    devices = device.get("devices", 1)
    if devices in (-1, "-1", "auto"):
        return torch.cuda.device_count() if on_gpu(device) else 1
    if isinstance(devices, int):
        return devices
    names = devices.split(",") if isinstance(devices, str) else devices
    return int(devices) if isinstance(devices, str) and devices.isdigit() else len(list(names))


def count_processes(device: Mapping[str, Any]) -> int:
    """Return the number of processes that train by a device config, on all nodes."""
    return count_devices(device) * int(device.get("num_nodes", 1))


def check_devices(device: Mapping[str, Any]) -> None:
    """Check that this machine has what a device config asks for; nothing was read so far.

    Args:
        device: the config group ``device``.

    Raises:
        UserError: two lines, what was asked for and found, and what to do.
    """
    accelerator, precision = device.get("accelerator", "auto"), device.get("precision", "32-true")
    if accelerator not in _ACCELERATORS:
        raise UserError(
            f"device.accelerator={accelerator}: no such device{nearest(accelerator, _ACCELERATORS)}"
        )
    if str(precision) not in PRECISIONS:
        raise UserError(
            f"device.precision={precision}: no such precision{nearest(str(precision), PRECISIONS)}"
        )
    _check_gpus(device, accelerator)
    if precision == "16-mixed" and not on_gpu(device):
        raise UserError(
            f"device.precision=16-mixed: half precision needs a GPU; {_found()}\n"
            "use device.precision=bf16-mixed, or 32-true"
        )
    threads = device.get("threads")
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise UserError(f"device.threads={threads!r}: needs a whole number from 1 on")


def check_launch(device: Mapping[str, Any]) -> None:
    """Check that the processes that a launcher has started are those that a config asks for.

    Raises:
        UserError: they are more or fewer, or there is no launcher of several nodes.
    """
    launch = find_launch()
    nodes, devices = device.get("num_nodes", 1), count_devices(device)
    if launch.launcher in ("srun", "torchrun"):
        if launch.world_size != nodes * devices:
            raise UserError(
                f"{launch.launcher} has started {launch.world_size} processes, and "
                f"device.devices={devices} device.num_nodes={nodes} asks for {nodes * devices}\n"
                f"{_MATCHING[launch.launcher]}; runs of their own are a sweep: gru-suite -m ..."
            )
    elif nodes > 1 and launch.launcher != "lightning":
        raise UserError(
            f"device.num_nodes={nodes}: no launcher of several nodes was found (neither torchrun "
            "nor srun has started this process)\n"
            f"start it on each node with: torchrun --nnodes={nodes} --nproc-per-node=... "
            "--rdzv-id=NAME --rdzv-backend=c10d --rdzv-endpoint=HOST:29500 -m gru_suite ..., or in "
            f"a SLURM job with: srun --nodes={nodes} --ntasks-per-node=... gru-suite ..."
        )


def _check_gpus(device: Mapping[str, Any], accelerator: str) -> None:
    if accelerator not in ("gpu", "cuda"):
        if accelerator == "cpu" and device.get("devices") in (-1, "-1", "auto"):
            raise UserError(
                f"device.devices={device['devices']}: of a CPU, say how many processes\n"
                "use device.devices=2, and device.threads for the threads of each"
            )
        return
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not found:
        raise UserError(
            f"device.accelerator={accelerator}: no GPU was found; {_found()}\n"
            "use device=cpu or device=auto; on several cores: device=cpu device.devices=2"
        )
    wanted = count_devices(device)
    if wanted > found:
        names = ", ".join(sorted({torch.cuda.get_device_name(i) for i in range(found)}))
        raise UserError(
            f"device.devices={wanted}: {found} GPUs were found ({names})\n"
            f"use device.devices={found}, or -1 for all"
        )


def on_gpu(device: Mapping[str, Any]) -> bool:
    """Return whether a device config uses GPUs on this machine."""
    return device.get("accelerator") != "cpu" and torch.cuda.is_available()


def _found() -> str:
    build = torch.version.cuda
    built = f"built for CUDA {build}" if build else "a build without CUDA"
    return f"torch {torch.__version__} is {built}, and this machine has {os.cpu_count()} CPU cores"
