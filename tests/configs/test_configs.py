"""Every YAML under conf/ composes in a run, means something there, and agrees with the code."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from gru_suite.cli.main import VERBS
from gru_suite.data.data_module import TRAINING_OPTIONS
from gru_suite.model.sequence_model import TRAINING_KEYS
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.plugins import own_package
from gru_suite.training.optimizers import build_optimizer, build_scheduler

CONF = own_package().conf
FILES = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml"))
ROOTS = [verb.config for verb in VERBS.values() if verb.config is not None]
OPTIONS = [file for file in FILES if file.parent != Path(".")]
# How long and on how much of a data set to train is no option of its module.
NOT_OF_THE_MODULE = set(TRAINING_OPTIONS)
# What the train command passes to every task beside its YAML.
FROM_THE_RUN = {"backbone", "schema", "optimizer", "scheduler"}


pytestmark = pytest.mark.usefixtures("hydra_configs")


def composed(root: str, *overrides: str) -> DictConfig:
    """Compose a root config and resolve it as a run does."""
    words = [*overrides, "hydra.runtime.output_dir=/run"]
    cfg = compose(root, words, return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    return cfg


def option(file: Path) -> str:
    """Return the override that chooses a file."""
    return f"{file.parent.as_posix()}={file.stem}"


def options(group: str) -> list[Path]:
    return [file for file in OPTIONS if file.parts[0] == group]


def ids(file: Path) -> str:
    return file.with_suffix("").as_posix()


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), node


def resolve(cfg: DictConfig) -> None:
    """Resolve every interpolation of the job's config; a missing value is the user's to give."""
    job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.to_container(job, resolve=True, throw_on_missing=False)


def test_every_file_is_walked() -> None:
    on_disk = [path for path in CONF.rglob("*") if path.suffix in (".yaml", ".yml")]
    folders = [Path("run_folder.yaml"), Path("sweep_folder.yaml")]
    walked = [Path(f"{root}.yaml") for root in ROOTS] + OPTIONS + folders
    assert len(walked) == len(set(walked)) == len(on_disk)
    assert {CONF / file for file in walked} == set(on_disk)


@pytest.mark.parametrize("root", ROOTS)
def test_root_composes_with_a_run_folder_of_its_own(root: str) -> None:
    cfg = composed(root)
    resolve(cfg)
    assert cfg.hydra.job.chdir is False
    choice = cfg.hydra.runtime.choices.get("task", root)
    assert cfg.hydra.run.dir.startswith(f"outputs/{choice}/")
    assert cfg.hydra.sweep.dir.startswith("outputs/sweeps/")


@pytest.mark.parametrize("file", OPTIONS, ids=ids)
def test_option_composes_and_its_values_are_in_the_run(file: Path) -> None:
    cfg = composed("train", option(file))
    text = (CONF / file).read_text(encoding="utf-8")
    package = "" if "# @package _global_" in text else f"{'.'.join(file.parent.parts)}."
    content = OmegaConf.to_container(OmegaConf.create(text))
    assert isinstance(content, dict)
    content.pop("defaults", None)
    run = dict(leaves(OmegaConf.to_container(cfg, resolve=False)))
    for key, value in leaves(content):
        # An enumeration is written by name.
        found = run.get(package + key)
        assert not key or value in (found, getattr(found, "name", None)), key
    resolve(cfg)


@pytest.mark.parametrize("file", options("data") + options("device"), ids=ids)
@pytest.mark.parametrize("root", [root for root in ROOTS if root != "train"])
def test_option_composes_with_the_other_roots_that_have_its_group(root: str, file: Path) -> None:
    """Interpolations into ``train.yaml``, such as its seed, must have a default elsewhere."""
    defaults = OmegaConf.load(CONF / f"{root}.yaml").defaults
    groups = {str(key) for entry in defaults if isinstance(entry, DictConfig) for key in entry}
    if file.parts[0] in groups:
        resolve(composed(root, option(file)))


# Groups that stand for a choice of their own; a task may set values of backbone and trainer.
CHOSEN = ("callbacks", "optimizer", "scheduler", "device", "logger")


@pytest.mark.parametrize("file", [file for group in CHOSEN for file in options(group)], ids=ids)
def test_a_chosen_option_keeps_its_values_with_every_task(file: Path) -> None:
    """A task names its default option of a group; it sets no value that would outlast a choice."""
    group = file.parts[0]
    alone = plain(composed("train", "~task", "data=sine", option(file))[group])
    for task in options("task"):
        assert plain(composed("train", option(task), option(file))[group]) == alone, task


def test_forecasting_sets_no_value_of_another_group() -> None:
    content = OmegaConf.load(CONF / "task" / "forecasting.yaml")
    assert set(content) == {"defaults", "task"}
    assert "weight_averaging" in composed("train").callbacks
    assert "weight_averaging" not in composed("train", "callbacks=default").callbacks
    assert composed("train", "callbacks=none").callbacks == {}


@pytest.mark.parametrize("file", options("experiment"), ids=ids)
def test_experiment_sets_only_what_there_is(file: Path) -> None:
    cfg = composed("train", option(file))
    # A callback that an experiment leaves out is null.
    for node in filter(None, (cfg.task, cfg.data, *cfg.callbacks.values())):
        given = arguments(node).keys() - NOT_OF_THE_MODULE
        assert given <= parameters(get_object(node._target_)).keys()
    for group, target in {"trainer": pl.Trainer, "backbone": RecurrentBackbone}.items():
        assert (
            arguments(cfg[group]).keys() - {*TRAINING_KEYS}
            <= inspect.signature(target).parameters.keys()
        )
    optimizer = build_optimizer([torch.nn.Parameter(torch.zeros(1))], arguments(cfg.optimizer))
    build_scheduler(optimizer, arguments(cfg.scheduler), total_steps=10, steps_per_epoch=5)


@pytest.mark.parametrize("file", options("experiment"), ids=ids)
def test_experiment_says_what_it_is(file: Path) -> None:
    lines = (CONF / file).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")


@pytest.mark.parametrize("file", options("task"), ids=ids)
def test_task_names_its_summary_its_data_and_its_conversion(file: Path) -> None:
    lines = (CONF / file).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")
    cfg = composed("train", option(file))
    # Plain values make checkpoints that load safely anywhere.
    assert (cfg.task._recursive_, cfg.task._convert_) == (False, "all")
    assert "_target_" in cfg.data


def parameters(target: Any) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(target).parameters)
    assert all(p.kind is not p.VAR_KEYWORD for p in found.values()), "**kwargs would hide typos"
    return found


def arguments(node: DictConfig) -> dict[str, Any]:
    keys = OmegaConf.to_container(node, resolve=False)
    assert isinstance(keys, dict)
    return {str(k): v for k, v in keys.items() if not str(k).startswith("_")}


def plain(value: Any) -> Any:
    if isinstance(value, ListConfig | DictConfig):
        return OmegaConf.to_container(value)
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("file", options("task"), ids=ids)
def test_task_yaml_is_the_signature_with_its_defaults(file: Path) -> None:
    node = composed("train", option(file)).task
    signature = parameters(get_object(node._target_))
    given = arguments(node)
    assert given.keys() == signature.keys() - FROM_THE_RUN
    for name, value in given.items():
        default = signature[name].default
        # A dict cannot be a default in Python; None stands for the one in the YAML.
        if default is None and isinstance(value, dict):
            continue
        if default is not inspect.Parameter.empty and "${" not in str(value):
            assert value == plain(default), name


@pytest.mark.parametrize("file", options("data"), ids=ids)
def test_data_yaml_gives_every_argument_of_its_module(file: Path) -> None:
    node = composed("train", option(file)).data
    signature = parameters(get_object(node._target_))
    given = arguments(node).keys() - NOT_OF_THE_MODULE
    assert given <= signature.keys()
    required = {k for k, p in signature.items() if p.default is inspect.Parameter.empty}
    assert required <= given


def test_backbone_yaml_is_the_signature_with_its_defaults() -> None:
    given = arguments(composed("train", "backbone=gru").backbone)
    signature = parameters(RecurrentBackbone)
    del signature["input_size"]
    assert [given.pop(key) for key in TRAINING_KEYS] == [None, 0]
    assert given == {name: parameter.default for name, parameter in signature.items()}


@pytest.mark.parametrize("file", options("backbone"), ids=ids)
def test_backbones_differ_from_the_default_by_their_cell_only(file: Path) -> None:
    given = arguments(composed("train", option(file)).backbone)
    gru = arguments(composed("train", "backbone=gru").backbone)
    assert given == {**gru, "cell": file.stem}
    RecurrentBackbone(3, **{key: given[key] for key in given if key not in TRAINING_KEYS})


@pytest.mark.parametrize("file", options("optimizer"), ids=ids)
def test_optimizer_is_built_from_its_yaml(file: Path) -> None:
    given = arguments(composed("train", option(file)).optimizer)
    # A variant has more after its name: adamw_fast.
    assert given["name"] == file.stem.partition("_")[0]
    build_optimizer([torch.nn.Parameter(torch.zeros(1))], given)


@pytest.mark.parametrize("file", options("scheduler"), ids=ids)
def test_scheduler_is_built_from_its_yaml(file: Path) -> None:
    given = arguments(composed("train", option(file)).scheduler)
    # As of an optimizer.
    assert given["name"] == file.stem.partition("_")[0]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    build_scheduler(optimizer, given, total_steps=10, steps_per_epoch=5)


@pytest.mark.parametrize("file", options("device") + options("trainer"), ids=ids)
def test_trainer_knows_the_keys_of_device_and_trainer(file: Path) -> None:
    given = arguments(composed("train", option(file))[file.parts[0]])
    # Threads are the process's.
    assert given.keys() - {"threads"} <= inspect.signature(pl.Trainer).parameters.keys()


@pytest.mark.parametrize("file", options("callbacks") + options("logger"), ids=ids)
def test_callbacks_and_loggers_take_their_keys(file: Path) -> None:
    nodes = composed("train", option(file))[file.parts[0]].values()
    # A variant may switch a callback off.
    for node in (node for node in nodes if node is not None):
        signature = inspect.signature(get_object(node._target_)).parameters
        assert arguments(node).keys() <= signature.keys()


def test_debug_tiny_is_tiny_with_every_task() -> None:
    for file in options("task"):
        cfg = composed("train", option(file), "debug=tiny")
        assert cfg.trainer.max_epochs == 1
        assert cfg.trainer.limit_train_batches <= 4
        assert cfg.backbone.hidden_size <= 16
