"""A sweep by Hydra's Ray launcher on a real Ray cluster of two nodes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_data import small_runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("GRU_SUITE_CLUSTER"),
        reason="GRU_SUITE_CLUSTER=1 starts the services of a cluster on this machine",
    ),
]

# One core a node, so that two jobs need both.
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster()
for _ in range(2):
    cluster.add_node(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
JOB = ["device=cpu", "device.threads=1", "trainer.max_epochs=2", "backbone.hidden_size=8"]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    # Ray would report its use, and warn that it will not hide GPUs from jobs without them.
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    return {**os.environ, "OMP_NUM_THREADS": "1", **quiet}


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> Iterator[str]:
    """Start the nodes in a process of their own, and return the cluster's address."""
    pytest.importorskip("ray", reason="needs ray")
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs hydra-ray-launcher")
    nodes = subprocess.Popen(
        [sys.executable, "-c", NODES],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert nodes.stdin is not None
    assert nodes.stdout is not None
    try:
        lines = iter(nodes.stdout.readline, "")
        yield next(line.split()[1] for line in lines if line.startswith("address"))
    finally:
        nodes.stdin.close()
        nodes.wait(60)
        nodes.stdout.close()


def test_two_jobs_run_on_two_nodes(
    address: str, environment: dict[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    words = [*small_runs(data)["forecasting"], *JOB]
    # The launcher would ask for a store of its own, which a running cluster refuses.
    store = "+hydra.launcher.ray.init.object_store_memory=null"
    spread = "+hydra.launcher.ray.remote.scheduling_strategy=SPREAD"
    to_cluster = [f"hydra.launcher.ray.init.address={address}", store, spread]
    # Jobs run in the folders in which the nodes were started.
    launcher = ["hydra/launcher=ray", *to_cluster, f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    done = subprocess.run(
        [sys.executable, "-m", "gru_suite", "-m", *words, *launcher, "seed=1,2"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    sweep = tmp_path / "sweep"
    records = [json.loads((sweep / number / "run.json").read_text()) for number in ("0", "1")]
    assert [record["state"] for record in records] == ["finished"] * 2
    # A node has one core, and so one process for jobs.
    assert records[0]["process"] != records[1]["process"]
    for number in ("0", "1"):
        assert json.loads((sweep / number / "metrics.json").read_text())["seed"] == 1 + int(number)
