"""What started this process: a shell, SLURM, torchrun, or another process of the same run."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """The place of this process among those of one start.

    Attributes:
        launcher: ``srun`` or ``torchrun`` where it started several processes of one run, ``batch``
            for a batch job of SLURM with one, ``lightning`` for a process that Lightning has
            started, or a launcher that sets the same variables; empty for a process that is alone.
        job: name of the job; the same in all its processes, and when it is started again. None
            where the launcher gives none.
        rank: number of this process, 0 for the first.
        world_size: number of processes; 0 where the launcher does not say.
        start: name of this start of the job.
    """

    launcher: str = ""
    job: str | None = None
    rank: int = 0
    world_size: int = 1
    start: str = ""

    @property
    def restarted(self) -> bool:
        """Whether the launcher has started this job before."""
        return self.start.rpartition(".")[2] not in ("", "0")


def find_launch(environment: Mapping[str, str] | None = None) -> Launch:
    """Return what started this process.

    Args:
        environment: of the process, by default this one's.
    """
    given = os.environ if environment is None else environment
    if "TORCHELASTIC_RUN_ID" in given:
        return _of_torchrun(given)
    if "LOCAL_RANK" in given:
        rank = int(given.get("RANK", given["LOCAL_RANK"]))
        return Launch("lightning", rank=rank, world_size=0)
    if "SLURM_JOB_ID" in given:
        return _of_slurm(given)
    return Launch()


def _of_torchrun(given: Mapping[str, str]) -> Launch:
    name = given["TORCHELASTIC_RUN_ID"]
    port, count = given.get("MASTER_PORT", ""), given.get("TORCHELASTIC_RESTART_COUNT", "0")
    if name == "none":
        # torchrun's default: only its port, or on one machine its process, tells it from others.
        alone = given.get("GROUP_WORLD_SIZE", "1") == "1"
        name = str(os.getppid()) if alone else f"port-{port}"
    rank, world_size = int(given["RANK"]), int(given["WORLD_SIZE"])
    return Launch("torchrun", f"torchrun-{name}", rank, world_size, f"{name}.{port}.{count}")


def _of_slurm(given: Mapping[str, str]) -> Launch:
    job = f"slurm-{given['SLURM_JOB_ID']}"
    step = given.get("SLURM_STEP_ID", "batch")
    start = f"{job}.{step}.{given.get('SLURM_RESTART_COUNT', '0')}"
    world_size = int(given.get("SLURM_STEP_NUM_TASKS", "1"))
    if world_size > 1:
        return Launch("srun", job, int(given.get("SLURM_PROCID", "0")), world_size, start)
    if given.get("ENVIRONMENT") == "BATCH":
        return Launch("batch", job, start=start)
    # A shell within an allocation, where the same line may be typed again.
    return Launch()


def job_folder(job: str, words: Sequence[str]) -> str:
    """Return the name of the run folder of a command line in a job.

    Args:
        job: name of the job.
        words: the arguments of the command line: a job may have several.
    """
    digits = hashlib.sha256("\0".join([job, *words]).encode()).hexdigest()[:6]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', job)[:24]}-{digits}"
