"""``gru-suite tasks``: a list of the available tasks."""

import sys
from collections.abc import Sequence

from gru_suite.errors import UserError
from gru_suite.plugins import TaskInfo, available_tasks, check_task, installed_packages


def tasks(words: Sequence[str]) -> int:
    """Print every task with its summary and the package that provides it.

    Args:
        words: arguments; there are none.

    Returns:
        The exit code.

    Raises:
        UserError: there is an argument.
    """
    if words:
        raise UserError(f"gru-suite tasks takes no arguments, found {words[0]!r}")
    found = available_tasks()
    print(_table(found))
    for line in _warnings(found):
        print(f"gru-suite: warning: {line}", file=sys.stderr)
    return 0


def _table(found: list[TaskInfo]) -> str:
    name_width = max((len(task.name) for task in found), default=0)
    summary_width = max((len(task.summary) for task in found), default=0)
    return "\n".join(
        f"{task.name:<{name_width}}  {task.summary:<{summary_width}}  {task.origin}"
        for task in found
    )


def _warnings(found: list[TaskInfo]) -> list[str]:
    lines = installed_packages()[1]
    for name in dict.fromkeys(task.name for task in found):
        try:
            check_task(name)
        except UserError as error:
            lines.append(str(error))
    return lines
