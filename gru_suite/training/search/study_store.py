"""The store of a search's study, which processes and machines share; without torch."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gru_suite.errors import UserError
from gru_suite.locks import try_lock

if TYPE_CHECKING:
    from optuna.study import Study

# The trial that the process of a job runs, as JSON.
TRIAL_VARIABLE = "GRU_SUITE_TRIAL"


def import_optuna() -> Any:
    """Return the package optuna, quiet.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        if error.name != "optuna":
            raise
        raise UserError("a search needs optuna: pip install 'gru-suite[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_study(storage: str, name: str, mode: str | None = None) -> "Study":
    """Return a study, new or old.

    Args:
        storage: a URL of a database, or the path of a journal file.
        name: of the study.
        mode: ``min`` or ``max``; None for a study that exists.

    Raises:
        UserError: the storage cannot be used, or the study has another direction.
    """
    optuna = import_optuna()
    sampler = optuna.samplers.RandomSampler(seed=0)
    try:
        store = _storage(optuna, storage)
        if mode is None:
            study: Study = optuna.load_study(study_name=name, storage=store, sampler=sampler)
            return study
        direction = "minimize" if mode == "min" else "maximize"
        study = optuna.create_study(
            storage=store,
            study_name=name,
            direction=direction,
            load_if_exists=True,
            sampler=sampler,
        )
    except ImportError as error:
        needed = f"pip install {error.name}" if error.name else str(error).splitlines()[0]
        raise UserError(f"search.storage={storage}: {needed}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("optuna", "sqlalchemy"):
            raise
        line = str(error).splitlines()[0]
        raise UserError(f"search.storage={storage}: cannot be used: {line}") from error
    if study.direction.name.lower() != direction:
        raise UserError(f"search.study={name}: exists in {storage}, with another monitor.mode")
    return study


def _storage(optuna: Any, storage: str) -> Any:
    if "://" in storage:
        return optuna.storages.get_storage(storage)
    path = Path(storage).expanduser().absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = optuna.storages.journal
    backend = journal.JournalFileBackend(str(path), lock_obj=_journal_lock(journal, path))
    return optuna.storages.JournalStorage(backend)


def _journal_lock(journal: Any, path: Path) -> Any:
    """Return a lock that is free as soon as its process is gone.

    optuna's own is held for half a minute after a process was killed.
    """

    class Lock(journal._file.BaseJournalFileLock):  # type: ignore[misc]
        def __init__(self) -> None:
            self.file: TextIO | None = None

        def acquire(self) -> bool:
            self.file = try_lock(path.with_name(f".{path.name}.lock"), wait=True)
            _cut_torn_line(path)
            return True

        def release(self) -> None:
            if self.file is not None:
                self.file.close()
            self.file = None

    return Lock()


def _cut_torn_line(path: Path) -> None:
    """Remove the last line of a journal where a killed process has not finished it."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
