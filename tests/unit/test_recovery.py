import os
import resource
import signal
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel

from gru_suite.cli.stopping import report_stop, stopped_by
from gru_suite.errors import UserError
from gru_suite.results.run_record import (
    FAILED,
    FINISHED,
    RUNNING,
    STOPPED,
    config_hash,
    is_alive,
    locked,
    read_record,
    recording,
    state_of,
)
from gru_suite.stopping import Terminated, raising_on_signals, request
from gru_suite.training.recovery.checkpoint_io import (
    AtomicCheckpointIO,
    check_whole,
    find_resumable,
)
from gru_suite.training.recovery.last_checkpoint import LastCheckpoint

CHECKPOINT = {
    "gru_suite": {"format": 1, "task_class": "gru_suite.tasks.forecasting.task:ForecastingTask"},
    "hyper_parameters": {},
    "state_dict": {"weight": torch.arange(5000.0)},
}


def write(path: Path) -> Path:
    AtomicCheckpointIO().save_checkpoint(CHECKPOINT, path)
    return path


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_the_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    assert find_resumable(tmp_path) == (None, [])
    previous, last = write(tmp_path / "previous.ckpt"), write(tmp_path / "last.ckpt")
    assert find_resumable(tmp_path) == (last, [])
    damage(last)
    found, notes = find_resumable(tmp_path)
    assert found == previous
    assert len(notes) == 1
    assert notes[0].startswith(f"checkpoint {last}: damaged")
    assert notes[0].endswith("the one before it is taken")
    last.unlink()
    assert find_resumable(tmp_path) == (previous, [])


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_cut_off_checkpoint_is_not_whole(kept: float, tmp_path: Path) -> None:
    path = write(tmp_path / "last.ckpt")
    check_whole(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match="damaged"):
        check_whole(path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = write(tmp_path / "last.ckpt")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk: writes fail after so many bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(UserError, match=r"could not be written .* MB are free.* is kept"):
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_record_tells_how_a_run_ended(tmp_path: Path) -> None:
    assert state_of(tmp_path) is None
    with recording(tmp_path, config="a") as log:
        assert state_of(tmp_path) == RUNNING
        assert is_alive(tmp_path)
        log.write(data="weather")
        with (
            pytest.raises(UserError, match="a run is running in this folder already"),
            locked(tmp_path),
        ):
            pass
    assert state_of(tmp_path) == FINISHED
    assert not is_alive(tmp_path)
    record = read_record(tmp_path)
    assert record is not None
    assert (record["config"], record["data"], record["error"]) == ("a", "weather", None)

    with pytest.raises(ValueError, match="no"), recording(tmp_path, config="a"):
        raise ValueError("no such column\nsecond line")
    assert state_of(tmp_path) == FAILED
    assert (read_record(tmp_path) or {})["error"] == "no such column"
    with pytest.raises(KeyboardInterrupt), recording(tmp_path, config="a"):
        raise KeyboardInterrupt
    assert state_of(tmp_path) == STOPPED


def test_a_killed_run_is_told_by_its_free_lock(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with recording(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (read_record(tmp_path) or {})["state"] == RUNNING
    assert state_of(tmp_path) == STOPPED


def test_the_hash_of_a_config_leaves_out_how_it_is_run() -> None:
    config = {"seed": 1, "data": {"path": "a"}}
    assert config_hash(config) == config_hash({**config, "resume": "x", "logger": None, "jobs": 2})
    assert config_hash(config) != config_hash({**config, "seed": 2})


def test_a_deferred_signal_raises_when_it_is_asked_for() -> None:
    with raising_on_signals():
        request.deferred = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.received == signal.SIGTERM
        with pytest.raises(Terminated) as stop:
            request.stop()
        assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_second_signal_is_not_deferred() -> None:
    # A job that a shell put into the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with raising_on_signals():
        request.deferred = True
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


class TerminateAfterTheLastBatch(pl.Callback):
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object
    ) -> None:
        if trainer.is_last_batch:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_before_validation_stops_with_its_own_exception(tmp_path: Path) -> None:
    with raising_on_signals():
        trainer = pl.Trainer(
            accelerator="cpu",
            callbacks=[TerminateAfterTheLastBatch(), LastCheckpoint(tmp_path, 10)],
            default_root_dir=tmp_path,
            enable_model_summary=False,
            enable_progress_bar=False,
            limit_train_batches=3,
            limit_val_batches=3,
            logger=False,
            max_epochs=2,
        )
        with pytest.raises(Terminated):
            trainer.fit(BoringModel())
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_stop_is_told_from_errors_that_it_causes() -> None:
    def restore() -> None:
        try:
            raise Terminated(143)
        finally:
            os.environ["no such variable"]

    with pytest.raises(KeyError) as error:
        restore()
    assert isinstance(stopped_by(error.value), Terminated)
    with raising_on_signals():
        assert stopped_by(ValueError("later")) is None
        request.received = signal.SIGTERM
        later = ValueError("later")
        assert stopped_by(later) is later
        assert report_stop(later, []) == 143
        request.received = 0
