"""Optimizers and schedules: what they do, and what they answer to mistakes."""

import math

import pytest
import torch
from torch import nn

from gru_suite.errors import UserError
from gru_suite.training.optimizers import OPTIMIZERS, SCHEDULERS, build_optimizer, build_scheduler


def small_model() -> nn.Module:
    return nn.Sequential(nn.GRU(3, 4, batch_first=True), nn.LayerNorm(4), nn.Linear(4, 2))


def rates(config: dict, total_steps: int, steps_per_epoch: int = 1) -> list[float]:
    optimizer = build_optimizer(small_model(), {"name": "sgd", "lr": 1.0})
    entry = build_scheduler(optimizer, config, total_steps, steps_per_epoch)
    found = []
    for _ in range(total_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if entry is not None:
            assert entry["interval"] == "step"
            entry["scheduler"].step()
    return found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_fits_a_line(name):
    x, model = torch.randn(64, 3), nn.Linear(3, 1)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 3
    optimizer = build_optimizer(model, {"name": name, "lr": 0.05})
    losses = []
    for _ in range(200):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_spares_biases_and_norms(name):
    model = small_model()
    optimizer = build_optimizer(model, {"name": name, "lr": 0.1, "weight_decay": 0.5})
    decay = {
        id(parameter): group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert len(decay) == len(list(model.parameters()))
    for parameter in model.parameters():
        assert decay[id(parameter)] == (0.5 if parameter.dim() > 1 else 0.0)


def test_fused_adamw_equals_torchs_default():
    ours, theirs = nn.Linear(5, 4, bias=False), nn.Linear(5, 4, bias=False)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(8, 5)
    config = {"name": "adamw", "lr": 0.01, "betas": [0.8, 0.99], "eps": 1e-7, "weight_decay": 0.1}
    options = {key: value for key, value in config.items() if key != "name"}
    optimizers = [build_optimizer(ours, config), torch.optim.AdamW(theirs.parameters(), **options)]
    for _ in range(10):
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    assert optimizers[0].defaults["fused"]
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_frozen_parameters_are_left_out():
    model = small_model()
    model[0].requires_grad_(False)
    optimizer = build_optimizer(model.parameters(), {"name": "adam", "lr": 0.1})
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4
    with pytest.raises(UserError, match="no trainable parameters"):
        build_optimizer(model[0], {"name": "adam", "lr": 0.1})


def test_a_config_is_not_changed():
    config = {"name": "adamw", "lr": 0.1}
    build_optimizer(small_model(), config)
    assert config == {"name": "adamw", "lr": 0.1}


def test_constant_without_warmup_is_no_schedule():
    optimizer = build_optimizer(small_model(), {"name": "sgd", "lr": 1.0})
    assert build_scheduler(optimizer, {"name": "constant"}, math.inf, 5) is None


def test_warmup_rises_in_equal_steps_then_stays():
    found = rates({"name": "constant", "warmup_fraction": 0.3}, 10)
    assert found == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 7])


def test_cosine_falls_to_the_final_fraction():
    found = rates({"name": "cosine", "warmup_fraction": 0.1, "final_fraction": 0.2}, 101)
    assert found[10] == pytest.approx(1.0)
    assert found[:11] == sorted(found[:11])
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[55] == pytest.approx(0.6, abs=0.01)
    assert found[-1] == pytest.approx(0.2, abs=0.001)


def test_exponential_holds_through_its_start_epoch():
    found = rates({"name": "exponential", "gamma": 0.5, "start_epoch": 1}, 8, steps_per_epoch=2)
    assert found == pytest.approx([1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25])


def test_plateau_watches_the_validation_loss():
    optimizer = build_optimizer(small_model(), {"name": "sgd", "lr": 1.0})
    entry = build_scheduler(optimizer, {"name": "plateau", "factor": 0.5, "patience": 1}, 10, 2)
    assert (entry["monitor"], entry["interval"]) == ("val/loss", "epoch")
    for loss in (1.0, 0.9, 0.9, 0.9):
        entry["scheduler"].step(loss)
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "optimizer.name is missing: choose one of adamw, adam, sgd, rmsprop"),
        ({"name": "admw", "lr": 1}, "optimizer.name='admw' is unknown; did you mean 'adamw'?"),
        ({"name": "adam"}, "optimizer.lr is missing"),
        ({"name": "adam", "lr": 0}, "optimizer.lr=0: needs a number above 0"),
        ({"name": "adam", "lr": "fast"}, "optimizer.lr='fast'"),
        ({"name": "adam", "lr": math.inf}, "optimizer.lr=inf"),
        (
            {"name": "adam", "lr": 1, "wieght_decay": 0},
            "optimizer.wieght_decay is not an option of",
        ),
        ({"name": "adam", "lr": 1, "wieght_decay": 0}, "did you mean 'weight_decay'?"),
        ({"name": "adam", "lr": 1, "betas": [0.9]}, "optimizer.betas=[0.9]: needs two numbers"),
        ({"name": "adam", "lr": 1, "betas": [0.9, 1.0]}, "optimizer.betas=[0.9, 1.0]"),
        ({"name": "sgd", "lr": 1, "nesterov": True}, "optimizer.nesterov=True needs"),
        ({"name": "sgd", "lr": 1, "weight_decay": -1}, "optimizer.weight_decay=-1"),
    ],
)
def test_bad_optimizer_configs_are_named(config, words):
    with pytest.raises(UserError) as error:
        build_optimizer(small_model(), config)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"name": "cosinus"}, "scheduler.name='cosinus' is unknown; did you mean 'cosine'?"),
        ({"name": "cosine", "warmup": 1}, "scheduler.warmup is not an option of scheduler.name="),
        ({"name": "cosine", "warmup_fraction": 1.5}, "scheduler.warmup_fraction=1.5: needs"),
        ({"name": "cosine", "final_fraction": -1}, "scheduler.final_fraction=-1"),
        ({"name": "exponential"}, "scheduler.gamma is missing"),
        ({"name": "exponential", "gamma": 1, "start_epoch": 1.5}, "scheduler.start_epoch=1.5"),
        ({"name": "plateau", "factor": 1}, "scheduler.factor=1"),
    ],
)
def test_bad_scheduler_configs_are_named(config, words):
    optimizer = build_optimizer(small_model(), {"name": "sgd", "lr": 1.0})
    with pytest.raises(UserError) as error:
        build_scheduler(optimizer, config, 10, 5)
    assert words in str(error.value)


def test_cosine_needs_an_end_of_training():
    optimizer = build_optimizer(small_model(), {"name": "sgd", "lr": 1.0})
    with pytest.raises(UserError, match=r"set trainer\.max_epochs"):
        build_scheduler(optimizer, {"name": "cosine"}, math.inf, 5)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_schedule_survives_a_checkpoint(name):
    config = {"name": name, **({"gamma": 0.5} if name == "exponential" else {})}
    config |= {"warmup_fraction": 0.2} if name == "constant" else {}
    optimizer = build_optimizer(small_model(), {"name": "sgd", "lr": 1.0})
    scheduler = build_scheduler(optimizer, config, 10, 5)["scheduler"]
    saved = scheduler.state_dict()
    scheduler.load_state_dict(saved)
    assert all(not callable(value) for value in saved.values())
