"""The command line: words to verbs, verbs to Hydra, failures to one clear sentence."""
