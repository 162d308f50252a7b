"""Templates of ``gru-suite new-task``, with ``gesture`` as the name of the task."""
