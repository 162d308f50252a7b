"""The model: normalization, segments, quantiles, decoders, options, and what its import costs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forecasting_fixtures import make_batch, make_schema, make_task

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.forecasting.network.layers import (
    QuantileHead,
    SegmentEncoder,
    WindowNormalizer,
    last_observed,
)
from gru_suite.tasks.forecasting.results.forecast_plots import plot_panels

NAN = float("nan")


def test_last_observed_skips_missing_values() -> None:
    values_BLC = torch.tensor([[[1.0, 5.0], [2.0, 0.0], [0.0, 0.0]]])
    observed_BLC = torch.tensor([[[True, False], [True, False], [False, False]]])
    assert last_observed(values_BLC, observed_BLC).tolist() == [[[2.0, 5.0]]]


@pytest.mark.parametrize("kind", WindowNormalizer.KINDS)
def test_normalization_is_undone_exactly(kind: str) -> None:
    schema = make_schema()
    batch = make_batch(schema)
    normalizer = WindowNormalizer(kind, 2, 3)
    if kind == "revin":
        with torch.no_grad():
            normalizer.weight_C.copy_(torch.tensor([1.5, -0.7]))
            normalizer.bias_C.copy_(torch.tensor([0.3, -0.2]))
    past = normalizer(batch.target_BTC, batch.mean_BC, batch.std_BC)
    again = normalizer.undo(past.past_BLC[..., None], past)[..., 0]
    torch.testing.assert_close(again, batch.target_BTC, rtol=1e-5, atol=1e-5)


def test_normalization_none_gives_the_targets_own_unit() -> None:
    batch = make_batch(make_schema())
    past = WindowNormalizer("none", 2)(batch.target_BTC, batch.mean_BC, batch.std_BC)
    own_unit = batch.target_BTC * batch.std_BC[:, None] + batch.mean_BC[:, None]
    torch.testing.assert_close(past.past_BLC, own_unit, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", WindowNormalizer.KINDS)
def test_a_constant_or_wholly_missing_window_stays_finite(kind: str) -> None:
    past_BLC = torch.full((2, 6, 1), 3.0)
    past_BLC[1] = NAN
    ones_BC = torch.ones(2, 1)
    past = WindowNormalizer(kind, 1, 3)(past_BLC, 0 * ones_BC, ones_BC)
    assert torch.isfinite(past.past_BLC).all()
    assert torch.isfinite(past.spread_B1C).all()


def test_a_lookback_that_is_no_multiple_is_padded_in_front() -> None:
    encoder = SegmentEncoder(2, 4, 3)
    x_RLF = torch.randn(5, 10, 2)
    padded_RLF = torch.cat([torch.zeros(5, 2, 2), x_RLF], dim=1)
    torch.testing.assert_close(encoder(x_RLF), encoder(padded_RLF))
    assert encoder(x_RLF).shape == (5, 3, 3)


def test_quantiles_never_cross_even_with_extreme_weights() -> None:
    head = QuantileHead(4, 3, 2, 5)
    for scale in (1.0, 100.0):
        out_RSVQ = head(scale * torch.randn(50, 4))
        assert out_RSVQ.shape == (50, 3, 2, 5)
        assert (out_RSVQ.diff(dim=-1) >= 0).all()


OPTIONS = [
    {"decoder": "parallel"},
    {"decoder": "recursive"},
    {"decoder": "direct"},
    {"decoder": "direct", "segment_size": 1},
    {"decoder": "direct", "backbone": {"cell": "gru", "hidden_size": 8, "bidirectional": True}},
    {"channels": "mixed"},
    {"channels": "mixed", "decoder": "recursive"},
    {"loss": "mse"},
    {"loss": "huber", "normalization": "revin"},
    {"skip": "trained"},
    {"skip": "trained", "channels": "mixed"},
    {"skip": "ridge"},
    {"relative_covariates": False, "normalization": "level"},
    {"backbone": {"cell": "lstm", "hidden_size": 8, "num_layers": 2}},
    {"backbone": {"cell": "rnn", "hidden_size": 8}, "decoder": "recursive"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("covariates", [True, False])
def test_every_option_forecasts_and_trains(options: dict[str, Any], covariates: bool) -> None:
    schema = make_schema()
    if not covariates:
        schema |= {"past_size": 0, "future_size": 0, "static_size": 0, "missing_targets": False}
    task, batch = make_task(schema, **options), make_batch(schema)
    output = task(batch)
    assert output.point_BPC.shape == batch.truth_BPC.shape
    task.loss(output, batch).backward()
    learned = [p for p in task.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learned)


@pytest.mark.parametrize("decoder", ["parallel", "recursive", "direct"])
def test_missing_past_values_change_nothing_but_themselves(decoder: str) -> None:
    """What stands behind a missing value must not matter, and one target's gap not another's."""
    task, batch = make_task(decoder=decoder), make_batch(make_schema())
    whole = task(batch).point_BPC
    gap_BTC = batch.target_BTC.clone()
    gap_BTC[:, 3:6, 0] = NAN
    output = task(batch._replace(target_BTC=gap_BTC)).point_BPC
    assert torch.isfinite(output).all()
    assert not torch.allclose(output[..., 0], whole[..., 0])
    torch.testing.assert_close(output[..., 1], whole[..., 1])


def test_missing_truth_adds_no_loss_and_no_gradient() -> None:
    task, batch = make_task(), make_batch(make_schema())
    cut = batch._replace(truth_BPC=batch.truth_BPC.clone())
    cut.truth_BPC[:, 2:] = NAN
    output = task(batch)
    expected = task.loss(
        type(output)(output.point_BPC[:, :2], output.quantiles_BPCQ[:, :2]),
        batch._replace(truth_BPC=batch.truth_BPC[:, :2]),
    )
    torch.testing.assert_close(task.loss(output, cut), expected)


def test_pinball_loss_by_hand() -> None:
    task = make_task(make_schema(num_targets=1, horizon=1, missing_targets=False))
    batch = make_batch(make_schema(num_targets=1, horizon=1), rows=1)
    batch = batch._replace(truth_BPC=torch.tensor([[[1.0]]]))
    output = task(batch)
    output = type(output)(torch.tensor([[[0.0]]]), torch.tensor([[[[-1.0, 0.0, 3.0]]]]))
    # 2 * (0.1 * 2 + 0.5 * 1 + 0.1 * 2) / 3
    assert task.loss(output, batch).item() == pytest.approx(0.6)


def test_future_covariates_reach_the_step_they_belong_to() -> None:
    """With segments of one step, a change of the last step's covariates moves no earlier step."""
    task, batch = make_task(segment_size=1), make_batch(make_schema())
    changed = batch._replace(future_BPF=batch.future_BPF.clone())
    changed.future_BPF[:, -1] += 1
    before, after = task(batch).point_BPC, task(changed).point_BPC
    torch.testing.assert_close(before[:, :-1], after[:, :-1])
    assert not torch.allclose(before[:, -1], after[:, -1])


@pytest.mark.parametrize("decoder", ["parallel", "recursive", "direct"])
@pytest.mark.parametrize("relative", [True, False])
def test_slow_cycles_reach_the_linear_skip_only(decoder: str, relative: bool) -> None:
    """The last two future features belong to a cycle that is longer than the training part."""
    schema = make_schema(past_size=5, future_size=4, slow_size=2)
    options: dict[str, Any] = {"decoder": decoder, "relative_covariates": relative}
    batch = make_batch(schema)
    past_BTF, future_BPF = batch.past_BTF.clone(), batch.future_BPF.clone()
    past_BTF[..., -2:] += 1
    future_BPF[..., -2:] += 1
    changed = batch._replace(past_BTF=past_BTF, future_BPF=future_BPF)
    task = make_task(schema, **options)
    assert torch.equal(task(batch).point_BPC, task(changed).point_BPC)
    other = batch._replace(future_BPF=batch.future_BPF + torch.tensor([0.0, 1, 0, 0]))
    assert not torch.equal(task(batch).point_BPC, task(other).point_BPC)

    task = make_task(schema, skip="trained", **options)
    assert task.model.skip is not None
    torch.nn.init.ones_(task.model.skip.weight_FO)
    # Two features a step, of the horizon and of the past that the skip sees.
    moved = 2 * (schema["horizon"] + task.model.skip.lookbacks[-1])
    expected = task(batch).point_BPC + moved
    torch.testing.assert_close(task(changed).point_BPC, expected, rtol=1e-4, atol=1e-4)


def test_recursive_decoding_is_not_off_by_one() -> None:
    """Forecasting P steps at once equals forecasting one, appending it, and forecasting again."""
    schema = make_schema(past_size=0, future_size=0, static_size=0, num_targets=1, horizon=3)
    schema["missing_targets"] = False
    options: dict[str, Any] = {"decoder": "recursive", "segment_size": 1, "loss": "mse"}
    task = make_task(schema, normalization="standard", **options)
    batch = make_batch(schema)
    at_once = task(batch).point_BPC
    past_BTC = batch.target_BTC
    for k in range(3):
        step = task(batch._replace(target_BTC=past_BTC)).point_BPC[:, :1]
        torch.testing.assert_close(step[:, 0], at_once[:, k], rtol=1e-5, atol=1e-6)
        past_BTC = torch.cat([past_BTC, step], dim=1)
        batch = batch._replace(past_BTF=torch.zeros(4, past_BTC.size(1), 0))


def test_shifting_a_series_shifts_its_forecast() -> None:
    task, batch = make_task(), make_batch(make_schema())
    before = task(batch).point_BPC
    after = task(batch._replace(target_BTC=batch.target_BTC + 7)).point_BPC
    torch.testing.assert_close(after, before + 7, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"loss": "quantil"}, "did you mean 'quantile'"),
        ({"decoder": "paralel"}, "did you mean 'parallel'"),
        ({"normalization": "batch"}, "choose one of last_value, level, revin"),
        ({"channels": "mix"}, "task.channels=mix"),
        ({"quantiles": [0.1, 0.9]}, "symmetric"),
        ({"quantiles": [0.1, 0.5, 0.8]}, "symmetric"),
        ({"quantiles": [0.9, 0.5, 0.1]}, "rising"),
        ({"quantiles": [0.0, 0.5, 1.0]}, "between 0 and 1"),
        ({"segment_size": 0}, r"1 to data.lookback \(12\)"),
        ({"segment_size": 13}, r"1 to data.lookback \(12\)"),
        ({"backbone": {"bidirectional": True}}, "use task.decoder=direct"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        make_task(**options)


def test_numpy_free_hyper_parameters() -> None:
    assert not any(isinstance(v, np.generic) for v in dict(make_task().hparams).values())


def test_plots_are_labelled_by_the_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    labels: list[dict[str, str]] = []
    module = "gru_suite.tasks.forecasting.results.forecast_plots.plot_forecasts"
    monkeypatch.setattr(module, lambda path, panels, **given: labels.append(given) or path)
    for options in ({"quantiles": [0.05, 0.5, 0.95]}, {"loss": "mae"}):
        plot_panels(Path("x.png"), [], make_task(**options).model.levels)
    assert labels == [{"interval_label": "90 % interval"}, {"forecast_label": "forecast"}]


def test_the_model_is_imported_without_tables_plots_and_trainer() -> None:
    heavy = "pandas scipy sklearn matplotlib torchmetrics pytorch_lightning hydra omegaconf"
    code = f"""
import sys
import gru_suite.tasks.forecasting.model
print([name for name in "{heavy}".split() if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_a_loss_other_than_quantile_gives_single_values(loss: str) -> None:
    """Checkpoints have both options; quantiles are then of calibrated intervals alone."""
    task = make_task(loss=loss, quantiles=[0.1, 0.5, 0.9])
    model = ForecastingModel(**task.model.options)
    assert model.levels == task.model.levels == [0.5]
    assert task.scoring == {"quantiles": [], "adaptive": False}
    model.load_state_dict(task.state_dict())
    output = model.eval()(make_batch(make_schema()))
    assert output.quantiles_BPCQ is None
