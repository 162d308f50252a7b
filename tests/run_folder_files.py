"""Small run folders for tests of what reads them, without a training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

BETTER = {"mae": "min", "mse": "min", "coverage_80": "none"}


def make_run(
    folder: Path,
    score: float | None = 0.25,
    *,
    seed: int = 1,
    options: Mapping[str, Any] | None = None,
    task: str = "forecasting",
    data: str = "weather",
    metric: str = "mae",
    better: Mapping[str, str] | None = None,
    state: str | None = "finished",
    error: str | None = None,
    started: str = "2026-03-01T10:00:00+00:00",
    val_scores: Sequence[float] = (0.5, 0.4, 0.3),
    seconds: Sequence[float] = (9.0, 2.0, 2.0),
    baselines: Mapping[str, Mapping[str, float]] | None = None,
    **facts: Any,
) -> Path:
    """Write a run folder and return it.

    Args:
        folder: to create.
        score: on the test part; None leaves ``metrics.json`` out.
        seed: of the run.
        options: dotted keys of the config to set; None removes one.
        task: its name.
        data: name of the data set.
        metric: the headline.
        better: in ``run.json``; by default those of forecasts.
        state: in ``run.json``; None for a run of an older version, without the file.
        error: why there is no result.
        started: ISO time.
        val_scores: an epoch each.
        seconds: of these epochs.
        baselines: name to metric to score; by default one of 0.5.
        facts: further entries of ``metrics.json``.
    """
    folder.mkdir(parents=True)
    config: dict[str, Any] = {
        "seed": seed,
        "monitor": {"metric": "val/loss", "mode": "min"},
        "checkpoint": None,
        "task": {"_target_": f"{task}.Task", "head_dropout": 0.3},
        "data": {"source": data, "horizon": 24, "seed": seed, "batch_size": 32},
        "backbone": {"cell": "gru", "hidden_size": 8},
        "optimizer": {"name": "adamw", "lr": 0.001},
        "trainer": {"max_epochs": 3, "limit_test_batches": 1.0},
        "logger": {"csv": {"save_dir": str(folder.absolute())}},
    }
    for key, value in (options or {}).items():
        group, _, name = key.partition(".")
        (config[group] if name else config).update({name or group: value})
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    cell = config["backbone"]["cell"]
    if score is not None:
        found = {f"test/{metric}": score, "num_parameters": 1000, "train_seconds": 13.0, **facts}
        found |= {"task": task, "data": data, "backbone": cell, "seed": seed}
        found["baselines"] = {"last_value": {metric: 0.5}} if baselines is None else baselines
        (folder / "metrics.json").write_text(json.dumps(found))
    rows = [
        f"{epoch},{second},{val},{2 * val}"
        for epoch, (val, second) in enumerate(zip(val_scores, seconds, strict=True), 1)
    ]
    lines = [f"epoch,seconds,val/{metric},val/loss", *rows]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    if state is not None:
        named = {"task": task, "data": data, "cell": cell, "state": state, "started": started}
        named |= {"error": error, "better": dict(BETTER if better is None else better)}
        (folder / "run.json").write_text(json.dumps(named))
    return folder
