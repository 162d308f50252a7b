"""Parts of tests/gpu/run.sh on the backbone: speed beside plain torch, kernels of cuDNN, scans.

Shapes: B batch, T time steps, F input features, H hidden units.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from gpu_parts import Answer, Row, run_part
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader

from gru_suite import ClassificationModel, ClassificationTask, RecurrentBackbone, SequenceBatch
from gru_suite.model.streaming.stream import StreamEncoder
from gru_suite.training.trainer import make_trainer, prepare_process

# batch, steps, input, hidden
SHAPES = {"gpu": [(64, 100, 64, 128), (256, 200, 128, 512)], "cpu": [(64, 100, 64, 128)]}
LONG = {"gpu": (1_000, 10_000), "cpu": (1_000,)}
NUM_CLASSES, NUM_BATCHES, WARMUP = 10, 8, 3
BUDGET_SECONDS = {"gpu": 4.0, "cpu": 2.5}


class FeaturesModel(ClassificationModel):
    """Features -> backbone -> last state -> classes: what the plain loop computes."""

    name: ClassVar[str] = "features"

    def __init__(self, backbone: dict[str, Any], schema: dict[str, Any]) -> None:
        super().__init__(backbone, schema["num_features"], schema, "last", head_dropout=0.0)

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        return batch.x, batch.lengths_B

    def stream_encoder(self) -> StreamEncoder:
        raise NotImplementedError

    def predict(self, raw: Any) -> Any:
        raise NotImplementedError


class FeaturesTask(ClassificationTask):
    model_class = FeaturesModel


class PlainModel(nn.Module):
    """What one would write without the suite."""

    def __init__(self, num_features: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(num_features, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, NUM_CLASSES)

    def forward(self, x_BTF: Tensor) -> Tensor:
        return self.head(self.rnn(x_BTF)[0][:, -1])


class StepTimes(pl.Callback):
    """Seconds of each pass over the batches after those that warm up."""

    def __init__(self, device: torch.device, budget: float) -> None:
        self.device, self.budget = device, budget
        self.seconds: list[float] = []
        self._began = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = now(self.device)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds.append(now(self.device) - self._began)
        trainer.should_stop = enough(self.seconds, self.budget)


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def enough(seconds: Sequence[float], budget: float) -> bool:
    return len(seconds) >= WARMUP + 2 and sum(seconds) > budget


def make_batches(B: int, T: int, num_features: int) -> list[SequenceBatch]:
    """Return batches in memory, as data sets give them."""
    draw = torch.Generator().manual_seed(0)
    lengths_B = torch.full((B,), T)
    return [
        SequenceBatch(
            torch.randn(B, T, num_features, generator=draw),
            lengths_B,
            torch.randint(NUM_CLASSES, (B,), generator=draw),
        )
        for _ in range(NUM_BATCHES)
    ]


def plain_loop(
    batches: list[SequenceBatch], hidden: int, device: torch.device, precision: str, budget: float
) -> list[float]:
    """Train nn.GRU by a loop of torch; return the seconds of each pass."""
    model = PlainModel(batches[0].x.size(2), hidden).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    seconds: list[float] = []
    while not enough(seconds, budget):
        began = now(device)
        for batch in batches:
            x_BTF, labels_B = batch.x.to(device), batch.labels_B.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
                loss = F.cross_entropy(model(x_BTF), labels_B)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(now(device) - began)
    return seconds


def suite_loop(
    batches: list[SequenceBatch], hidden: int, device: torch.device, precision: str, budget: float
) -> list[float]:
    """Train by the suite's Trainer and task; return the seconds of each pass."""
    num_features = batches[0].x.size(2)
    labels = [str(number) for number in range(NUM_CLASSES)]
    schema = {"labels": labels, "class_counts": [1] * NUM_CLASSES, "num_features": num_features}
    task = FeaturesTask(backbone={"cell": "gru", "hidden_size": hidden}, schema=schema)
    options = {"accelerator": "gpu" if device.type == "cuda" else "cpu", "devices": 1}
    options |= {"num_nodes": 1, "strategy": "auto", "precision": precision}
    times = StepTimes(device, budget)
    trainer = make_trainer(
        OmegaConf.create({**options, "sync_batchnorm": False}),
        [times],
        max_epochs=10_000,
        enable_checkpointing=False,
    )
    trainer.fit(task, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return times.seconds


LOOPS: dict[str, Callable[..., list[float]]] = {"plain torch": plain_loop, "suite": suite_loop}


def speed(device: str, folder: Path, answer: Answer) -> None:
    """Measure examples per second and peak memory of training on the same batches."""
    prepare_process(1)
    where = torch.device("cuda" if device == "gpu" else "cpu")
    for B, T, num_features, hidden in SHAPES[device]:
        batches = make_batches(B, T, num_features)
        for precision in ("32-true", "bf16-mixed") if device == "gpu" else ("32-true",):
            rates: dict[str, float] = {}
            for name, loop in LOOPS.items():
                if device == "gpu":
                    torch.cuda.empty_cache()
                    torch.cuda.reset_peak_memory_stats()
                found = loop(batches, hidden, where, precision, BUDGET_SECONDS[device])[WARMUP:]
                rates[name] = B * NUM_BATCHES / median(found)
                row: Row = {"batch": B, "steps": T, "input": num_features, "hidden": hidden}
                row |= {"precision": precision, "loop": name, "examples/s": rates[name]}
                row |= {"step ms": 1000 * median(found) / NUM_BATCHES, "passes": len(found)}
                if device == "gpu":
                    row["peak GPU MB"] = torch.cuda.max_memory_allocated() / 1e6
                if name == "suite":
                    row["suite / plain"] = rates["suite"] / rates["plain torch"]
                answer.add(row)


def kernels(device: str, folder: Path, answer: Answer) -> None:
    """Look by the profiler which kernels compute the recurrence, with and without padding."""
    B, T, num_features, hidden = SHAPES["gpu"][0]
    x_BTF = torch.randn(B, T, num_features, device="cuda")
    padded_B = torch.randint(T // 2, T, (B,), device="cuda")
    for cell in ("gru", "lstm"):
        for bidirectional in (False, True):
            backbone = RecurrentBackbone(num_features, cell, hidden, bidirectional=bidirectional)
            backbone.cuda().train()
            for lengths_B in (None, padded_B):
                for dtype in (torch.float32, torch.bfloat16):
                    row: Row = {"cell": cell, "bidirectional": bidirectional}
                    row |= {"padding": lengths_B is not None, "dtype": str(dtype)[6:]}
                    found, problem = profiled(backbone, x_BTF, lengths_B, dtype)
                    answer.add(row | found, problem)


def profiled(
    backbone: nn.Module, x_BTF: Tensor, lengths_B: Tensor | None, dtype: torch.dtype
) -> tuple[Row, str]:
    """Profile one forward and backward pass; return its figures and what is wrong."""

    def step() -> None:
        with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            h_BTH, _ = backbone(x_BTF, lengths_B)
        h_BTH.float().square().mean().backward()
        torch.cuda.synchronize()

    step()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        step()
    events = profiler.key_averages()
    calls = {event.key: event.count for event in events}
    on_gpu = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
    by_time = sorted(on_gpu, key=lambda event: event.self_device_time_total, reverse=True)
    row: Row = {
        "_cudnn_rnn": calls.get("aten::_cudnn_rnn", 0),
        "_cudnn_rnn_backward": calls.get("aten::_cudnn_rnn_backward", 0),
        "GPU us": sum(event.self_device_time_total for event in on_gpu),
        "longest kernels": "; ".join(event.key[:60].replace("|", " ") for event in by_time[:3]),
    }
    cells = [key for key in calls if "_thnn_fused" in key]
    if not row["_cudnn_rnn"] or not row["_cudnn_rnn_backward"] or cells:
        return row, f"not computed by cuDNN; {cells}"
    return row, ""


def scan(device: str, folder: Path, answer: Answer) -> None:
    """Measure minGRU's scan beside the GRU on long sequences: a training step of one layer."""
    prepare_process(1)
    where = torch.device("cuda" if device == "gpu" else "cpu")
    B, num_features, hidden = 8, 64, 128
    for T in LONG[device]:
        x_BTF = torch.randn(B, T, num_features, device=where)
        for precision in (torch.float32, torch.bfloat16):
            times: dict[str, float] = {}
            for cell in ("gru", "min_gru"):
                backbone = RecurrentBackbone(num_features, cell, hidden).to(where)
                seconds: list[float] = []
                while not enough(seconds, BUDGET_SECONDS[device]):
                    began = now(where)
                    with torch.autocast(where.type, precision, enabled=precision != torch.float32):
                        h_BTH, _ = backbone(x_BTF)
                    h_BTH.float().square().mean().backward()
                    seconds.append(now(where) - began)
                times[cell] = 1000 * median(seconds[WARMUP:])
            row: Row = {"batch": B, "steps": T, "input": num_features, "hidden": hidden}
            row |= {"dtype": str(precision)[6:], "gru ms": times["gru"]}
            row |= {
                "min_gru ms": times["min_gru"],
                "gru / min_gru": times["gru"] / times["min_gru"],
            }
            answer.add(row)


if __name__ == "__main__":
    sys.exit(run_part({"speed": speed, "kernels": kernels, "scan": scan}))
