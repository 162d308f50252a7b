"""The contract of a task as checks for its author: ``check_task("gesture")``."""

from gru_suite.testing.contract import build, check_task, compose_config

__all__ = ["build", "check_task", "compose_config"]
