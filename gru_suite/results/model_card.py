"""Model cards in Markdown, from a checkpoint alone.

A run adds its results to its checkpoints, so the card in the run folder and the output of
``gru-suite inspect`` are the same, and no code of the task is imported.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from gru_suite.files import atomic_path
from gru_suite.model.checkpoint import read_checkpoint
from gru_suite.plugins import distribution_of
from gru_suite.results.table import ScoreTable, plain_numbers

UNKNOWN = "not recorded"
NOT_YET = "not known yet"


def write_card(folder: Path, results: Mapping[str, Any]) -> Path | None:
    """Add the results to a run's checkpoints and write ``model_card.md``.

    Args:
        folder: the run folder.
        results: ``scores`` (``val/<metric>``, ``test/<metric>``), ``baselines`` and
            ``train_seconds``, of the best epoch.

    Returns:
        The card; None where the run kept no checkpoint.
    """
    checkpoints = folder / "checkpoints"
    best = checkpoints / "best.ckpt"
    if not best.is_file():
        return None
    scored = {**plain_numbers(results), "file": best.name, "epoch": read_facts(best)["epoch"]}
    for path in (best, checkpoints / "last.ckpt"):
        if path.is_file():
            complete(path, scored)
    card = folder / "model_card.md"
    with atomic_path(card) as temporary:
        temporary.write_text(render(read_facts(best)), encoding="utf-8")
    return card


def complete(path: Path, results: Mapping[str, Any]) -> None:
    """Add results to a checkpoint atomically; the other content stays bit for bit."""
    content = read_checkpoint(path)
    content["gru_suite"]["results"] = dict(results)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def read_facts(path: str | Path) -> dict[str, Any]:
    """Return the description in a checkpoint as plain data.

    Raises:
        UserError: the file is not a checkpoint of GRU Suite (see :func:`gru_suite.load`).
    """
    content = read_checkpoint(path)
    progress: Any = content.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {})
    backbone = content.get("hyper_parameters", {}).get("backbone")
    return {
        "checkpoint": str(Path(path).absolute()),
        **content["gru_suite"],
        # `epoch` counts from 0 within a fit and from 1 after it.
        "epoch": progress.get("current", {}).get("ready", content.get("epoch")),
        "step": content.get("global_step"),
        **({"backbone": dict(backbone)} if backbone else {}),
    }


def render(facts: Mapping[str, Any]) -> str:
    """Return the card as Markdown that is readable in a terminal too.

    Args:
        facts: of :func:`read_facts`.
    """
    task, run = facts.get("task", {}), facts.get("run", {})
    name = task.get("name", facts["task_class"].rpartition(":")[2])
    sections: dict[str, list[str]] = {
        f"# {name} on {run.get('name', 'unknown data')}": [*_overview(facts)],
        "## Data and split": [*_data(run)],
        "## Results": [*_results(facts)],
        "## Limits": [f"- {line}" for line in (*task.get("limits", ()), *_found_limits(facts))]
        or [UNKNOWN],
        "## How to load": _snippet(facts),
        "## Config": _config(run),
    }
    return "\n".join(line for title, lines in sections.items() for line in (title, "", *lines, ""))


def _overview(facts: Mapping[str, Any]) -> Iterator[str]:
    task, run, results = (facts.get(key) or {} for key in ("task", "run", "results"))
    parameters = task.get("num_parameters")
    seconds = results.get("train_seconds")
    yield f"- task: `{facts['task_class']}` {_origin(facts)}"
    yield f"- backbone: {_backbone(facts.get('backbone'))}"
    yield f"- parameters: {f'{parameters:,}' if parameters is not None else UNKNOWN}"
    yield f"- training time: {f'{seconds:,.1f} s' if seconds is not None else NOT_YET}"
    yield f"- started: {run.get('started', UNKNOWN)}, seed {run.get('seed', UNKNOWN)}"
    yield f"- hardware: {_hardware(run.get('machine'))}"
    yield f"- this file: epoch {facts['epoch']}, step {facts['step']}"


def _origin(facts: Mapping[str, Any]) -> str:
    made = facts.get("distribution")
    if not made:
        return "of no installed package"
    here = distribution_of(facts["task_class"].partition(":")[0])
    text = f"of {made['name']} {made['version']}"
    if here is None:
        return f"{text}, which is not installed here: install it to load the model"
    return text if here == made else f"{text} (here: {here['name']} {here['version']})"


def _backbone(options: Mapping[str, Any] | None) -> str:
    if options is None:
        return UNKNOWN
    return ", ".join(
        f"{key} {json.dumps(value)}".replace('"', "") for key, value in options.items()
    )


def _hardware(machine: Mapping[str, Any] | None) -> str:
    if not machine:
        return UNKNOWN
    gpus = ", ".join(machine["gpus"]) or "no GPU"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores ({machine['threads']} threads used), "
        f"{gpus}; {machine['system']}, {versions}"
    )


def _data(run: Mapping[str, Any]) -> Iterator[str]:
    summary, options = run.get("summary", ()), run.get("data", {})
    for line in summary or (run.get("name", UNKNOWN),):
        yield f"- {line}"
    for key, value in options.items():
        if key.startswith("split") and value is not None:
            yield f"- `data.{key}`: {json.dumps(value)}"


def _results(facts: Mapping[str, Any]) -> Iterator[str]:
    results = facts.get("results")
    if not results:
        yield f"{NOT_YET.capitalize()}: the run had not tested its best epoch."
        return
    better = facts["task"]["better"]
    scores = {part: _part(results["scores"], part) for part in ("test", "val")}
    scored = f"Test part, by `{results['file']}` (epoch {results['epoch']})"
    other = facts["epoch"] != results["epoch"]
    yield f"{scored}; this file is another epoch and was not tested.\n" if other else f"{scored}.\n"
    cell = (facts.get("backbone") or {}).get("cell", "model")
    yield from ScoreTable(cell, scores["test"], results["baselines"], better).to_markdown()
    by_direction = {"min": "lower", "max": "higher"}
    for direction, word in by_direction.items():
        names = [name for name, way in better.items() if way == direction]
        if names:
            yield f"\n{word.capitalize()} is better: {', '.join(names)}."
    values = [f"{n} {v:.4g}" for n, v in scores["val"].items() if v is not None]
    yield f"\nValidation part: {', '.join(values)}."


def _part(scores: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {k.partition("/")[2]: v for k, v in scores.items() if k.startswith(f"{part}/")}


def _found_limits(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield limits that the run shows: shortened parts, better baselines, a single seed."""
    results, config = facts.get("results"), facts.get("run", {}).get("config", {})
    trainer = config.get("trainer") or {}
    cut = {k: v for k, v in trainer.items() if k.startswith("limit_") and v not in (None, 1.0)}
    if cut:
        options = ", ".join(f"trainer.{key}={value}" for key, value in cut.items())
        yield f"Trained or scored on a share of the data only ({options}): the figures mean little."
    if not results:
        yield "Not tested yet: nothing is known of its errors."
        return
    scores = _part(results["scores"], "test")
    metric, direction = next(iter(facts["task"]["better"].items()))
    own, sign = scores.get(metric), -1 if direction == "max" else 1
    for name, values in results["baselines"].items():
        value = values.get(metric)
        if own is not None and value is not None and sign * own >= sign * value:
            yield f"Does not beat the baseline {name} in {metric}: {own:.4g} against {value:.4g}."
    yield "One training with one seed: how far the figures move with the seed is not known."


def _snippet(facts: Mapping[str, Any]) -> list[str]:
    usage = facts.get("task", {}).get("usage", ())
    # Older checkpoints call it a task.
    variable = "model" if "model_class" in facts else "task"
    load = f"{variable} = gru_suite.load({json.dumps(facts['checkpoint'])})"
    imports = [line for line in usage if line.startswith("import ")]
    rest = "\n".join(line for line in usage if line not in imports).strip("\n")
    return ["```python", *sorted(["import gru_suite", *imports]), "", load, rest, "```"]


def _config(run: Mapping[str, Any]) -> list[str]:
    if "config" not in run:
        return [UNKNOWN]
    dumped = yaml.safe_dump(run["config"], sort_keys=False, allow_unicode=True, width=100)
    return ["```yaml", dumped.rstrip(), "```"]
