"""Training in several processes: the strategy of a Trainer, and the way back to one process."""

import inspect
import os
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy, Strategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gru_suite.devices import count_devices, count_processes, on_gpu
from gru_suite.errors import UserError
from gru_suite.launchers import find_launch
from gru_suite.nn.sync_batch_norm import synchronize_batch_norms

STRATEGIES = ("auto", "ddp", "ddp_gloo", "fsdp")


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
    sent = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {sent: False, "gradient_as_bucket_view": True}
    return DDPStrategy(process_group_backend="gloo" if name == "ddp_gloo" else None, **options)


def cluster_environments(device: DictConfig) -> list[ClusterEnvironment]:
    """Return how the processes of a run find each other, where it is not left to Lightning.

    Lightning takes every job of SLURM for one whose processes srun has started, and waits for ever
    in one whose processes it has to start itself. It would also queue a job again at SIGUSR1, with
    a checkpoint of its own: here SLURM does so, and the run goes on from ``last.ckpt``.
    """
    launcher = find_launch().launcher
    if launcher == "srun" and count_processes(device) > 1:
        # Lightning insists on it, and srun sets it only where it was an option.
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(count_devices(device)))
        return [SLURMEnvironment(auto_requeue=False)]
    of_slurm = "SLURM_NTASKS" in os.environ and launcher != "torchrun"
    return [LightningEnvironment()] if of_slurm else []


class SameConfig(Callback):
    """Stops a run whose processes were given different options, before the first step.

    They would train on as if nothing were wrong, each on a mean of gradients of different models.

    Args:
        fingerprint: of this process's config.
    """

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the configs of all processes.

        Raises:
            UserError: they differ.
        """
        if trainer.world_size == 1:
            return
        found: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(found, self.fingerprint)
        others = [rank for rank, each in enumerate(found) if each != found[0]]
        if others:
            raise UserError(
                f"the processes of this run have different options (process {others[0]} other ones "
                "than process 0): start all of them with the same command line"
            )


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


def check_sweep(device: DictConfig, in_sweep: bool) -> None:
    """Check that a run can start the other processes of its strategy.

    They start with the command line of this process, which is that of the whole sweep where a
    launcher runs jobs in a process that is not theirs alone.

    Args:
        device: the config group ``device``.
        in_sweep: whether this process runs a job of a sweep that it has not started for.

    Raises:
        UserError: the run would start the sweep again.
    """
    starts = device.strategy in STRATEGIES and find_launch().launcher in ("", "batch")
    if in_sweep and count_processes(device) > 1 and starts:
        raise UserError(
            f"device.devices={device.devices}: with strategy={device.strategy} its processes "
            "would start this sweep again under this hydra/launcher\n"
            "leave hydra/launcher= out: then every job is a process of its own; or use "
            "device.strategy=ddp_spawn"
        )
