"""Tasks from checkpoints: a model with its loss and metrics."""

from pathlib import Path

from gru_suite.errors import UserError
from gru_suite.model.checkpoint import find_class, fitting, read_checkpoint
from gru_suite.training.sequence_task import SequenceTask


def load_task(path: str | Path) -> SequenceTask:
    """Load a task from a checkpoint, ready to be scored; :func:`gru_suite.load` gives the model.

    Raises:
        UserError: as :func:`gru_suite.load`.
    """
    checkpoint = read_checkpoint(path)
    mark = checkpoint["gru_suite"]
    if "task_class" not in mark:
        raise UserError(f"checkpoint {path}: holds a model and names no task to score it with")
    task_class: type[SequenceTask] = find_class(mark, mark["task_class"], path, SequenceTask)
    with fitting(path, task_class):
        task = task_class(**checkpoint["hyper_parameters"])
        task.load_state_dict(checkpoint["state_dict"])
    task.on_load_checkpoint(checkpoint)
    return task.eval()
