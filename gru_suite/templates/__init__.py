"""What ``gru-suite new-task`` writes, with the name ``gesture`` in place of the user's."""
