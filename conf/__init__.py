"""The Hydra configs, installed as ``gru_suite.conf``; Hydra finds them only in a package."""
