"""Command lines as they were probably meant: arguments without keys, values of other programs."""

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from gru_suite.plugins import own_package

# Keys of a verb's arguments in their usual order.
_KEYS = {
    "evaluate": ("checkpoint",),
    "predict": ("checkpoint", "input", "output"),
    "export": ("checkpoint", "output"),
    "inspect": ("checkpoint",),
}
DEFAULT_TASK = "forecasting"
_CHECKPOINTS = (".ckpt", ".pt", ".pth")
_FILES = {
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xlsx", ".gz", ".zip", ".tar"),
    *(".wav", ".flac", ".ogg", ".mp3", ".m4a", ".mp4", ".avi", ".mov", ".mkv", ".webm"),
}
# Names of devices in other programs.
_DEVICES = {"cuda": "gpu", "nvidia": "gpu", "cuda:0": "gpu", "gpus": "gpu", "ddp": "gpu"}
# Start of the first line of a data option for users' own files.
_OWN_DATA = "# Your own"


def with_keys(verb: str | None, words: Sequence[str]) -> str:
    """Return a hint: the command line with a key before each argument that lacks one.

    Args:
        verb: the verb; None where the line begins with an argument.
        words: the arguments after the verb.
    """
    bare = [word for word in words if "=" not in word and word[:1] not in ("-", "~")]
    others = [word for word in words if word not in bare]
    if verb is None and PurePath(bare[0]).suffix in _CHECKPOINTS:
        verb = "predict" if len(bare) > 1 else "inspect"
    if verb in _KEYS and len(bare) <= len(_KEYS[verb]):
        taken = {word.partition("=")[0] for word in others}
        keys = [key for key in _KEYS[verb] if key not in taken]
        named = [f"{key}={word}" for key, word in zip(keys, bare, strict=False)]
        return f"write: {shlex.join(['gru-suite', verb, *named, *others])}"
    if verb in (None, "train") and len(bare) == 1 and _is_file(bare[0]):
        line = ["gru-suite", *others, *_own_data(bare[0], others)]
        return f"write: {shlex.join(line)}"
    return "write key=value, such as seed=2"


def meant_option(group: str, option: str, words: Sequence[str]) -> str | None:
    """Return the overrides that were probably meant by an unknown option of a config group.

    Args:
        group: the config group, such as ``device``.
        option: the value that it does not have, such as ``cuda``.
        words: the overrides of the command line.
    """
    if group == "device" and option.lower() in _DEVICES:
        return f"device={_DEVICES[option.lower()]}"
    # Hydra takes the folder of a path for a part of the group.
    path = f"{group}/{option}".removeprefix("data/")
    if group.partition("/")[0] == "data" and _is_file(path):
        return shlex.join(_own_data(path, words))
    return None


def _is_file(word: str) -> bool:
    return "/" in word or PurePath(word).suffix.lower() in _FILES


def _own_data(path: str, words: Sequence[str]) -> list[str]:
    given = dict(word.partition("=")[::2] for word in words)
    choice = [] if given.get("data", path) != path else _own_option(given.get("task"))
    return [*choice, f"data.path={path}"]


def _own_option(task: str | None) -> list[str]:
    """Return ``data=...`` for users' own files in a task, where there is such an option."""
    conf = own_package().conf
    target = f".{task or DEFAULT_TASK}."
    for file in sorted((conf / "data").glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        if text.startswith(_OWN_DATA) and target in text:
            return [f"data={file.stem}"]
    return []
