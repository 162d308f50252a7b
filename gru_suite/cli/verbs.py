"""The verbs of the command line, with their help texts."""

from typing import NamedTuple


class Verb(NamedTuple):
    """A first word of the command line.

    Attributes:
        target: the function, as ``module:function``; imported when the verb runs.
        help: one line.
        config: name of the root config where the function takes a config; None where it takes the
            words of the command line.
        examples: command lines for the help.
        words: arguments of a verb without a config, each with its explanation; a word in capitals
            is a placeholder.
    """

    target: str
    help: str
    config: str | None
    examples: tuple[str, ...] = ()
    words: tuple[tuple[str, str], ...] = ()


VERBS = {
    "train": Verb(
        "gru_suite.commands.train:train",
        "train a task, test its best checkpoint, compare it with its baselines (the default)",
        "train",
        (
            "gru-suite",
            "gru-suite backbone=lstm trainer.max_epochs=5 seed=2",
            "gru-suite data=csv data.path=sales.csv data.time_column=date data.target=[units]",
            "gru-suite -m backbone=gru,lstm seed=1,2,3",
        ),
    ),
    "evaluate": Verb(
        "gru_suite.commands.evaluate:evaluate",
        "score a checkpoint beside the baselines",
        "evaluate",
        (
            "gru-suite evaluate checkpoint=best.ckpt",
            "gru-suite evaluate checkpoint=best.ckpt data.path=newer.csv",
        ),
    ),
    "predict": Verb(
        "gru_suite.commands.predict:predict",
        "predict from a file with a checkpoint",
        "predict",
        ("gru-suite predict checkpoint=best.ckpt input=recent.csv output=forecast.csv",),
    ),
    "export": Verb(
        "gru_suite.commands.export:export",
        "write a checkpoint as ONNX, torch.export or safetensors, compared with the checkpoint",
        "export",
        (
            "gru-suite export checkpoint=best.ckpt format=onnx output=model.onnx",
            "gru-suite export checkpoint=best.ckpt format=onnx streaming=true",
            "gru-suite export checkpoint=best.ckpt format=onnx int8=true",
        ),
    ),
    "tasks": Verb("gru_suite.commands.tasks:tasks", "list the available tasks", None),
    "inspect": Verb(
        "gru_suite.commands.inspect:inspect",
        "print the model card of a checkpoint, from the file alone",
        None,
        (
            "gru-suite inspect checkpoint=best.ckpt",
            "gru-suite inspect checkpoint=best.ckpt format=json",
        ),
        (
            ("checkpoint=", "the file, as checkpoint=FILE"),
            ("format=markdown", "the card of the run folder (the default)"),
            ("format=json", "the same facts for programs"),
        ),
    ),
    "new-task": Verb(
        "gru_suite.commands.new_task:new_task",
        "write a new task to start from: two files in a checkout, or an installable package",
        None,
        ("gru-suite new-task gesture", "gru-suite new-task gesture --package"),
        (
            ("NAME", "the task's name: small letters, digits and _"),
            ("--package", "write the installable package gru-suite-NAME into this folder"),
        ),
    ),
}
