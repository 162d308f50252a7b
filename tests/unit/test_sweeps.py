"""The ledger of a sweep, its jobs, the table at its end, and the search space."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gru_suite.data.splits import choose_share
from gru_suite.errors import UserError
from gru_suite.results.run_record import config_hash
from gru_suite.sweeps import processes
from gru_suite.sweeps.expansion import Composer, expand, sweep_name
from gru_suite.sweeps.ledger import Entry, Ledger
from gru_suite.sweeps.outcome import Outcome, best_first, read_outcome
from gru_suite.sweeps.report import count_line, print_jobs, write_jobs
from gru_suite.sweeps.search_space import check_search, override_value, suggest


def entry(number: int, overrides: str = "", **facts: Any) -> Entry:
    return Entry(number, str(number), f"hash{number}", overrides.split(), **facts)


# The ledger


def test_ledger_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "sweep")
    assert ledger.read() == {}
    ledger.change(lambda entries: entries.update(a=entry(0, "seed=1")))
    changed = ledger.change(lambda entries: entries.update(b=entry(1, "seed=2", state="failed")))
    assert (
        ledger.read()
        == changed
        == {"a": entry(0, "seed=1"), "b": entry(1, "seed=2", state="failed")}
    )
    assert not list((tmp_path / "sweep").glob(".ledger-*"))


def test_damaged_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.json").write_text('{"jobs": [')
    with pytest.raises(UserError, match=r"ledger\.json: damaged"):
        Ledger(tmp_path).read()


def test_a_claim_excludes_others_until_it_is_given_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    claim = ledger.claim(3)
    assert claim is not None
    code = "import sys; from pathlib import Path; from gru_suite.sweeps.ledger import Ledger; "
    code += "sys.exit(Ledger(Path(sys.argv[1])).claim(3) is not None)"
    ask = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(ask, check=False).returncode == 0
    claim.close()
    assert subprocess.run(ask, check=False).returncode == 1


# Jobs


def test_a_sweep_is_called_by_its_overrides_alone() -> None:
    choices = {"task": "forecasting", "sweep": None}
    name = sweep_name(["seed=1,2", "backbone=gru"], choices)
    assert name.startswith("forecasting-")
    assert len(name) == len("forecasting-") + 8
    assert sweep_name(["backbone=gru", "seed=1,2", "jobs=4"], choices) == name
    assert sweep_name(["seed=1,2,3", "backbone=gru"], choices) != name
    assert sweep_name(["task=sentiment"], choices).startswith("sentiment-")
    assert sweep_name(["task=sentiment,video_action"], choices).startswith("sweep-")
    search = sweep_name(["sweep=search_sentiment", "search.n_trials=5"], choices)
    assert search.startswith("search_sentiment-")
    assert search == sweep_name(["sweep=search_sentiment", "search.n_trials=50"], choices)


@pytest.fixture
def composer(hydra_configs: None, tmp_path: Path) -> Composer:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    config = hydra.compose_config("train", [], run_mode=RunMode.MULTIRUN)
    return Composer(hydra.config_loader, config, Ledger(tmp_path / "sweep"))


def test_jobs_keep_their_numbers_and_new_ones_come_after(composer: Composer) -> None:
    params = {"backbone": "gru,lstm"}
    first = composer.jobs(expand(composer.loader, params, ["seed=1,2", "jobs=2"]))
    assert [(job.number, *job.overrides) for job in first] == [
        (0, "backbone=gru", "seed=1"),
        (1, "backbone=gru", "seed=2"),
        (2, "backbone=lstm", "seed=1"),
        (3, "backbone=lstm", "seed=2"),
    ]
    assert first[3].label == "job 3 (backbone=lstm seed=2)"
    again = composer.jobs(expand(composer.loader, params, ["backbone=gru", "seed=3,2"]))
    assert [(job.number, job.overrides[-1]) for job in again] == [(4, "seed=3"), (1, "seed=2")]
    assert again[1].config == first[1].config


def test_a_job_has_the_hash_of_its_run(composer: Composer) -> None:
    from omegaconf import OmegaConf

    from gru_suite.testing import compose_config

    (job,) = composer.jobs([("seed=7", "task=sentiment")])
    cfg: Any = OmegaConf.to_container(compose_config(["seed=7", "task=sentiment"]))
    assert job.config == config_hash(cfg)
    # From another checkpoint it is another job.
    other = composer.jobs([("seed=7", "task=sentiment", "checkpoint=a.ckpt")])[0]
    assert (other.config, other.number) == (job.config, 1)


# Outcomes


def test_outcome_of_a_run_folder(tmp_path: Path) -> None:
    assert read_outcome(tmp_path, "h") == Outcome()
    record = {
        "config": "h",
        "state": "finished",
        "better": {"mae": "min", "mse": "min"},
        "monitor": {"metric": "val/loss", "mode": "min", "value": 0.25},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert read_outcome(tmp_path, "other") == Outcome()
    found = read_outcome(tmp_path, "h")
    assert (found.metric, found.score, found.monitor) == ("val/loss", 0.25, 0.25)
    (tmp_path / "metrics.json").write_text(json.dumps({"test/mae": 0.5, "test/mse": 0.1}))
    found = read_outcome(tmp_path, "h")
    assert (found.state, found.metric, found.score) == ("finished", "test/mae", 0.5)
    (tmp_path / "run.json").write_text(json.dumps({**record, "state": "running"}))
    assert read_outcome(tmp_path, "h").state == "stopped"


def test_best_comes_first_in_either_direction() -> None:
    def done(score: float, direction: str) -> Outcome:
        return Outcome("finished", "m", score, direction)

    assert best_first({0: done(2, "min"), 1: done(1, "min"), 2: Outcome("failed")}) == [1, 0, 2]
    assert best_first({0: done(1, "max"), 1: Outcome("stopped"), 2: done(2, "max")}) == [2, 0, 1]


def test_table_and_file_of_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts: dict[str, Any] = {"state": "finished", "metric": "test/mae", "direction": "min"}
    entries = [
        entry(0, "task=forecasting seed=1", score=0.5, **facts),
        entry(1, "task=forecasting seed=2", score=0.4, **facts),
        entry(2, "task=forecasting seed=3", state="failed", error="no memory, no disk"),
    ]
    print_jobs(entries)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == ["job", "seed", "test/mae", "state", "error"]
    assert [line[0] for line in lines[2:]] == ["1", "0", "2"]
    assert lines[4][3:] == ["failed", "no", "memory,", "no", "disk"]
    write_jobs(entries, tmp_path / "jobs.csv")
    rows = (tmp_path / "jobs.csv").read_text().splitlines()
    assert rows[1] == "1,2,test/mae,0.4,,finished,0,,1"
    assert count_line(entries) == "2 of 3 jobs are finished, 1 failed"


# Processes


def test_share_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processes, "num_cores", lambda: 8)
    share = processes.share_of_machine
    assert share(0, 1, {}, ["0"]) == {}
    assert share(0, 2, {"accelerator": "cpu", "devices": 2}, ["0"]) == {"OMP_NUM_THREADS": "2"}
    assert share(1, 2, {"threads": 3}, ["0", "1", "2", "3"]) == {"CUDA_VISIBLE_DEVICES": "1,3"}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert share(2, 3, {}, ["0", "1"]) == {"CUDA_VISIBLE_DEVICES": "0"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-a1")
    assert processes.visible_gpus() == ["2", "GPU-a1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert processes.visible_gpus() == []


def test_end_of_a_process_is_described() -> None:
    assert "exit code 3" in processes.describe_exit(3)
    assert "SIGKILL; is memory short?" in processes.describe_exit(-signal.SIGKILL)


# Searches

LR = {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "search.parameters is needed"),
        (
            {"parameters": LR, "trials": 3},
            "search.trials: no such option; did you mean 'n_trials'?",
        ),
        ({"parameters": LR, "n_trials": 0}, "search.n_trials=0"),
        ({"parameters": LR, "pruner": "mean"}, "search.pruner"),
        ({"parameters": {"a": [1, 2]}}, "a: needs {choices"),
        ({"parameters": {"a": {"choices": []}}}, "a: needs {choices"),
        ({"parameters": {"a": {"low": 1, "hig": 2}}}, "a: needs {choices"),
        ({"parameters": {"a": {"low": 2, "high": 1}}}, "low < high is needed"),
        ({"parameters": {"a": {"low": 0, "high": 1, "log": True}}}, "0 < low < high"),
        ({"parameters": {"a": {"low": "x", "high": 1}}}, "need to be numbers"),
    ],
)
def test_impossible_search_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        check_search(options)


def test_values_are_drawn_as_overrides() -> None:
    optuna = pytest.importorskip("optuna")
    parameters = {
        **LR,
        "backbone.hidden_size": {"choices": [32, 64]},
        "backbone.num_layers": {"low": 1, "high": 2},
        "data.augment": {"choices": [None, True, "x", [1, 2]]},
    }
    drawn = {"optimizer.lr": 0.00123456789, "backbone.hidden_size": "64"}
    drawn |= {"backbone.num_layers": 2, "data.augment": "[1,2]"}
    overrides = suggest(optuna.trial.FixedTrial(drawn), parameters)
    assert overrides == [
        "optimizer.lr=0.00123457",
        "backbone.hidden_size=64",
        "backbone.num_layers=2",
        "data.augment=[1,2]",
    ]
    assert [override_value(value) for value in (None, True, 1e-7)] == ["null", "true", "1e-07"]


def test_torn_line_of_a_killed_process_is_cut_off(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    from gru_suite.training.search.study_store import open_study

    file = tmp_path / "study.journal"
    open_study(str(file), "s", "min").ask()
    with file.open("a") as journal:
        journal.write('{"op_code": 4, "wor')
    study = open_study(str(file), "s", "min")
    assert study.ask().number == 1
    assert len(open_study(str(file), "s").get_trials()) == 2
    with pytest.raises(UserError, match=r"another monitor\.mode"):
        open_study(str(file), "s", "max")
    with pytest.raises(UserError, match="cannot be used"):
        open_study(f"sqlite:///{tmp_path}/no/such/folder.db", "s", "min")


# The training fraction


def test_share_has_every_class_and_grows() -> None:
    classes = ["a"] * 10 + ["b"] * 50 + ["c"]
    small, large = choose_share(classes, 0.1, 1), choose_share(classes, 0.5, 1)
    assert [classes[row] for row in small] == ["a"] + ["b"] * 5 + ["c"]
    assert set(small) < set(large)
    assert small == choose_share(classes, 0.1, 1) != choose_share(classes, 0.1, 2)
    assert choose_share(classes, 1.0, 1) == list(range(61))
