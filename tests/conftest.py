"""What every test shares: one torch thread, fixed seeds, and the data beside the checkout."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# No deadline: the first example pays for lazy imports. In CI the same examples every time, so that
# a change is only judged by what it changed.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")


def pytest_configure() -> None:
    # Two threads on a busy 2-core machine stall at barriers for most of a second.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    # Libraries that draw from numpy's global state are what this seeds.
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


@pytest.fixture
def hydra_configs() -> Iterator[None]:
    """Let ``hydra.compose`` find the configs of the suite and of installed tasks."""
    from hydra import initialize_config_module
    from hydra.core.singleton import Singleton

    from gru_suite.cli.search_path import prepare_hydra

    state = Singleton.get_state()
    prepare_hydra()
    with initialize_config_module("gru_suite.conf", version_base="1.3"):
        yield
    Singleton.set_state(state)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data sets; tests that ask for it skip where there is none."""
    folder = Path(os.environ.get("GRU_SUITE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data sets: no folder {folder} (GRU_SUITE_TEST_DATA names it)")
    return folder
