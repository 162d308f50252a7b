"""The verbs of the command line, and what the help says of each."""

from typing import NamedTuple


class Verb(NamedTuple):
    """A first word of the command line.

    Attributes:
        target: the function that does it, as ``module:function``; imported when it is certain.
        help: what it does, in one line.
        config: its root config, for a function of a config; None for a function of the words.
        examples: command lines for the help.
        words: what may follow a verb without a config, each with its explanation; capitals stand
            for a word of the user's own.
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
        "write a checkpoint as ONNX, torch.export or safetensors, and check what was written",
        "export",
        (
            "gru-suite export checkpoint=best.ckpt format=onnx output=model.onnx",
            "gru-suite export checkpoint=best.ckpt format=onnx streaming=true",
            "gru-suite export checkpoint=best.ckpt format=onnx int8=true",
        ),
    ),
    "tasks": Verb("gru_suite.commands.tasks:tasks", "list the tasks there are", None),
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
            ("format=markdown", "the card as it stands in the run folder (the default)"),
            ("format=json", "the same facts for programs"),
        ),
    ),
    "new-task": Verb(
        "gru_suite.commands.new_task:new_task",
        "write a task to start from: two files in a checkout, or a package of its own",
        None,
        ("gru-suite new-task gesture", "gru-suite new-task gesture --package"),
        (
            ("NAME", "the task's name: small letters, digits and _"),
            ("--package", "write the installable package gru-suite-NAME into this folder"),
        ),
    ),
}
