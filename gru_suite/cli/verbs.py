"""The verbs of the command line and their help."""

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb of the command line.

    Attributes:
        target: the function that it runs, as ``module:function``; imported on demand.
        help: a one-line description.
        config: the root config whose composition the function takes; None for a function of the
            arguments.
        examples: command lines for the help.
        words: arguments of a verb without a config, each with its help; capitals are placeholders.
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
        "score a checkpoint and the baselines",
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
        "convert a checkpoint to ONNX, torch.export or safetensors, and check the result",
        "export",
        (
            "gru-suite export checkpoint=best.ckpt format=onnx output=model.onnx",
            "gru-suite export checkpoint=best.ckpt format=onnx streaming=true",
            "gru-suite export checkpoint=best.ckpt format=onnx int8=true",
        ),
    ),
    "runs": Verb(
        "gru_suite.commands.runs:runs",
        "list runs with their scores, newest or best first",
        None,
        (
            "gru-suite runs",
            "gru-suite runs sort=best task=forecasting backbone.hidden_size=64",
            "gru-suite runs outputs/sweeps state=failed format=json",
        ),
        (
            ("FOLDER", "where to look, at any depth: outputs by default"),
            ("sort=newest", "newest first (the default)"),
            ("sort=best", "best score first, for each task and data set"),
            (
                "task=",
                "only runs of this task; so also data, cell, state, seed, and any config key",
            ),
            ("limit=", "at most so many runs"),
            ("format=table", "a table (the default), of at most 30 runs"),
            ("format=json", "all runs, for programs"),
        ),
    ),
    "compare": Verb(
        "gru_suite.commands.compare:compare",
        "compare runs over their seeds: scores, tests, costs, as an HTML report",
        None,
        (
            "gru-suite compare outputs/sweeps/2026-01-31_12-00-00-a1b2c3",
            "gru-suite compare RUN1 RUN2 RUN3 metric=mse output=comparison",
        ),
        (
            ("FOLDER...", "folders of runs or sweeps"),
            ("output=", "where to write; by default the sweep's comparison/, or outputs/compare/"),
            ("metric=", "the score to compare; by default the first of the task"),
        ),
    ),
    "serve": Verb(
        "gru_suite.commands.serve:serve",
        "open a page to try checkpoints on, and an API to build on",
        None,
        (
            "gru-suite serve checkpoint=best.ckpt",
            "gru-suite serve serve=outputs",
            "gru-suite serve checkpoint=a.ckpt,b.ckpt serve.host=0.0.0.0 serve.token=SECRET",
        ),
        (
            ("checkpoint=", "the checkpoint file; several with commas"),
            ("serve=FOLDER", "all finished runs in a folder"),
            ("device=auto", "auto (the default), cpu or gpu"),
            ("serve.port=8765", "the port; 0 takes a free one"),
            ("serve.host=127.0.0.1", "the address; others than this machine's need a token"),
            ("serve.token=", "what requests must carry: Authorization: Bearer TOKEN"),
            ("serve.batch_size=64", "inputs predicted at once, at most; 1 switches batching off"),
            ("serve.threads=1", "threads of torch"),
            ("serve.max_body_mb=32", "limits of requests: also max_items, max_seconds, max_queue,"),
            ("serve.max_streams=64", "requests_per_second, timeout_s, wait_ms, max_models"),
        ),
    ),
    "tasks": Verb("gru_suite.commands.tasks:tasks", "list the available tasks", None),
    "inspect": Verb(
        "gru_suite.commands.inspect:inspect",
        "print the model card of a checkpoint",
        None,
        (
            "gru-suite inspect checkpoint=best.ckpt",
            "gru-suite inspect checkpoint=best.ckpt format=json",
        ),
        (
            ("checkpoint=", "the checkpoint file, as checkpoint=FILE"),
            ("format=markdown", "the card as in the run folder (the default)"),
            ("format=json", "the same facts for programs"),
        ),
    ),
    "new-task": Verb(
        "gru_suite.commands.new_task:new_task",
        "create a task from a template: two files in a checkout, or a package",
        None,
        ("gru-suite new-task gesture", "gru-suite new-task gesture --package"),
        (
            ("NAME", "name of the task: lower-case letters, digits and _"),
            ("--package", "write the installable package gru-suite-NAME into this folder"),
        ),
    ),
}
