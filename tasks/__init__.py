"""The tasks that come with GRU Suite, one folder each, installed as ``gru_suite.tasks``."""

if __name__ != "gru_suite.tasks":
    raise ImportError(
        f"this folder is the package gru_suite.tasks and was imported as {__name__!r}: "
        "install the project (pip install -e .) and import gru_suite.tasks"
    )
