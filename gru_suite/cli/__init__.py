"""The command line: verbs, Hydra, help, tab completion and error messages."""
