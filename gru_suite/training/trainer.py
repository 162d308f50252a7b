"""Seeds and settings of the process, the Trainer, and data and task of a config."""

import logging
import os
import pydoc
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf, open_dict
from pytorch_lightning.callbacks import Callback

from gru_suite.data.data_module import TRAINING_OPTIONS, SequenceDataModule
from gru_suite.devices import check_devices, count_processes, on_gpu
from gru_suite.errors import UserError
from gru_suite.options import check_flags, check_number
from gru_suite.training.callbacks.memory import ReleaseMemory
from gru_suite.training.callbacks.progress import Progress
from gru_suite.training.distributed import check_strategy, cluster_environments, make_strategy
from gru_suite.training.recovery.checkpoint_io import AtomicCheckpointIO
from gru_suite.training.sequence_task import SequenceTask


def prepare_process(seed: int, device: Mapping[str, Any] | None = None) -> None:
    """Seed all generators and set process-wide options: output, warnings, denormals, threads.

    Args:
        seed: of the run.
        device: the config group ``device``.
    """
    if getattr(rank_zero_only, "rank", 0):
        # The first process of a distributed run prints for all.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    # No notes on devices and no tips.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for name in ("lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Batches are gathered from memory, so workers would only cost time.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Raised inside Lightning 2.6 on torch 2.14.
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    # Streams of shards give each worker a share of their own.
    warnings.filterwarnings("ignore", message="Your `IterableDataset` has `__len__` defined")
    # Small data sets have fewer batches than log_every_n_steps; nothing is logged by step.
    warnings.filterwarnings("ignore", message=".*number of training batches.*")
    # Every login node of a cluster has srun.
    warnings.filterwarnings("ignore", message="The `srun` command is available")
    # Its replacement came with Lightning 2.6.
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
    # In dimensions of one element, whose strides mean nothing.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # A resumed run has its own folder, and chooses its best epoch anew.
    warnings.filterwarnings("ignore", message="The dirpath has changed")
    pl.seed_everything(seed, workers=True, verbose=False)
    # Gradients far back in a long sequence become denormal, which is many times slower on a CPU.
    torch.set_flush_denormal(True)
    threads = (device or {}).get("threads")
    if threads is not None:
        torch.set_num_threads(threads)
    # Gradients of an attention's row are laid out otherwise than its bucket: they are copied.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # LastCheckpoint resumes the loader, and the folder of a resumed run holds checkpoints.
    warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended")
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")


def make_trainer(
    device: DictConfig, callbacks: Sequence[Callback] = (), **options: Any
) -> pl.Trainer:
    """Return a Trainer on the chosen device.

    Args:
        device: the config group ``device``.
        callbacks: in the order in which they run.
        **options: further options of ``pytorch_lightning.Trainer``.

    Raises:
        UserError: the device is not available.
    """
    options.setdefault("logger", False)
    check_devices(device)
    check_strategy(device)
    of_device = plain(device)
    of_device["strategy"] = make_strategy(device)
    of_device.pop("threads", None)
    sync = of_device.get("sync_batchnorm", False)
    of_device["sync_batchnorm"] = sync and count_processes(device) > 1 and on_gpu(device)
    try:
        return pl.Trainer(
            **of_device,
            # First: it clears its line before another one prints.
            callbacks=[Progress(), ReleaseMemory(), *callbacks],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            plugins=[AtomicCheckpointIO(), *cluster_environments(device)],
            # Data modules give each process its share.
            use_distributed_sampler=False,
            **options,
        )
    except (MisconfigurationException, ValueError) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from error


def plain(node: DictConfig | None) -> dict[str, Any]:
    """Return a config node as resolved plain data."""
    if node is None:
        return {}
    content = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    return content if isinstance(content, dict) else {}  # type: ignore[return-value]


def build_all(node: DictConfig | None) -> list[Any]:
    """Instantiate the entries of a config group of several named objects."""
    entries: Mapping[str, Any] = node or {}
    return [instantiate(entry) for entry in entries.values() if entry]


def build_data(cfg: DictConfig) -> SequenceDataModule:
    """Return the data module of ``cfg.data``, read and split.

    Its ``TRAINING_OPTIONS``, how long, on how much of it and with which size of network to train,
    are no options of its module.

    Raises:
        UserError: the data cannot be used.
    """
    options = cfg.data.copy()
    with open_dict(options):
        fraction = options.get("train_fraction", 1.0)
        for key in TRAINING_OPTIONS:
            options.pop(key, None)
    check_number("data.train_fraction", fraction, 1e-6, 1)
    _check_flags("data", options)
    data: SequenceDataModule = instantiate(options)
    data.run_seed, data.train_fraction = int(cfg.seed), float(fraction)
    data.prepare_data()
    data.setup("fit")
    if fraction < 1 and not data.takes_fraction:
        raise UserError(
            f"data.train_fraction={fraction}: {type(data).__name__} has no such option; in its "
            "setup, use training_rows()"
        )
    return data


def build_task(cfg: DictConfig, data: SequenceDataModule) -> SequenceTask:
    """Return a new task of ``cfg.task`` for data that was set up."""
    _check_flags("task", cfg.task)
    task: SequenceTask = instantiate(
        cfg.task,
        backbone=plain(cfg.backbone),
        schema=data.schema(),
        optimizer=plain(cfg.optimizer),
        scheduler=plain(cfg.scheduler),
    )
    return task


def _check_flags(section: str, node: DictConfig) -> None:
    # instantiate reports a class that cannot be imported.
    with suppress(pydoc.ErrorDuringImport):
        make = pydoc.locate(node._target_)
        if callable(make):
            check_flags(section, make, node)
