"""Checkpoints of a training: tasks from them, and what prediction needs of them."""

from collections.abc import Iterable
from pathlib import Path

from gru_suite.errors import UserError
from gru_suite.model.checkpoint import find_class, fitting, read_checkpoint
from gru_suite.model.tables import KEY, pack_tables
from gru_suite.training.recovery.checkpoint_io import save_whole
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


# What goes on with a training: Lightning's names, and those of its weight averaging.
_TRAINING_STATE = (
    "loops",
    "train_loss",
    "callbacks",
    "optimizer_states",
    "lr_schedulers",
    "current_model_state",
    "averaging_state",
    "MixedPrecision",
)


def keep_for_prediction(path: Path, tables: Iterable[str] = ()) -> None:
    """Reduce a checkpoint to what prediction needs: weights, options, description.

    Args:
        path: the checkpoint, which is replaced.
        tables: names of the weights to compress; see :mod:`gru_suite.model.tables`.
    """
    checkpoint = read_checkpoint(path)
    if "optimizer_states" not in checkpoint:
        # Done already, in a run that was killed while it was scored.
        return
    kept = {name: part for name, part in checkpoint.items() if name not in _TRAINING_STATE}
    kept["state_dict"], kept[KEY] = pack_tables(checkpoint["state_dict"], tables)
    save_whole(kept, path)


def check_resumable(path: str | Path) -> None:
    """Raise UserError for a checkpoint without the state of its training, such as ``best.ckpt``."""
    if "optimizer_states" not in read_checkpoint(path):
        last = Path(path).with_name("last.ckpt")
        hint = f": checkpoint={last}" if last.is_file() else ""
        raise UserError(
            f"checkpoint {path}: holds what prediction needs, not the state of its training; go on "
            f"from last.ckpt{hint}, or start from these weights: backbone.init_from={path}"
        )
