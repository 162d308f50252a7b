"""Training in several processes: the strategy of a Trainer, and the way back to one process."""

import inspect
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy, Strategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gru_suite.devices import count_processes, on_gpu
from gru_suite.errors import UserError
from gru_suite.nn.sync_batch_norm import synchronize_batch_norms

STRATEGIES = ("auto", "ddp", "fsdp")


def make_strategy(device: DictConfig) -> Strategy | str:
    """Return the strategy of ``device.strategy``, by name where one process trains.

    Raises:
        UserError: there is no such strategy.
    """
    name = device.get("strategy", "auto")
    if name not in STRATEGIES:
        # Lightning's own names, such as ddp_spawn.
        return str(name)
    if count_processes(device) == 1:
        return "auto"
    if name == "fsdp":
        return FSDPStrategy(state_dict_type="full")
    # Statistics of batch norms are synchronized in training, so no buffer needs to be sent; and in
    # validation the processes have different numbers of batches.
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    # The name since torch 2.14, and before.
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {name: False, "gradient_as_bucket_view": True}
    return DDPStrategy(**options)


def single(device: DictConfig) -> DictConfig:
    """Return a device config for one process of those of a distributed run."""
    alone = device.copy()
    alone.devices, alone.num_nodes, alone.strategy = 1, 1, "auto"
    return alone


def synchronize(task: nn.Module, device: DictConfig) -> None:
    """Give batch norms the statistics of all processes, where several train on CPUs.

    On GPUs the Trainer does it, by torch's own module.
    """
    if count_processes(device) > 1 and device.sync_batchnorm and not on_gpu(device):
        synchronize_batch_norms(task)


def leave_group(trainer: pl.Trainer) -> bool:
    """End the distributed part of a run; return whether this process goes on alone."""
    first = trainer.is_global_zero
    trainer.strategy.barrier("the end of training")
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return first


def check_strategy(device: DictConfig) -> None:
    """Raise UserError for a strategy that this machine cannot run."""
    if device.get("strategy") == "fsdp" and not torch.cuda.is_available():
        raise UserError("device.strategy=fsdp: needs GPUs, and none was found; use ddp")
