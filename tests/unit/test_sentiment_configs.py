from pathlib import Path

import pytest
from config_options import options_of, plain

from gru_suite.tasks.sentiment.data import TextDataModule
from gru_suite.tasks.sentiment.task import SentimentTask
from gru_suite.testing.contract import build, check_task, compose_config

DATA = [
    *("text_table", "text_folders", "sst2", "sst5", "trec", "imdb", "tweeteval"),
    "movie_reviews",
]


@pytest.mark.parametrize("name", DATA)
def test_data_configs_have_the_options_of_the_data_module(name: str) -> None:
    found = plain(compose_config(["task=sentiment", f"data={name}", "seed=7"]).data)
    # How long to train on an embedded data set is no option of its module.
    assert set(found) - {"train_epochs", "train_fraction"} == set(options_of(TextDataModule))
    assert found["seed"] == 7


def test_defaults_have_one_home() -> None:
    found = plain(compose_config(["task=sentiment", "data=text_table"]).data)
    assert found.pop("train_fraction") == 1
    expected = options_of(TextDataModule) | {"seed": found["seed"]}
    assert found == {k: list(v) if isinstance(v, tuple) else v for k, v in expected.items()}
    assert plain(compose_config(["task=sentiment"]).task) == options_of(SentimentTask)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_contract(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    rows = [f"a {'good' if row % 2 else 'bad'} film {row},{row % 2}" for row in range(80)]
    path.write_text("\n".join(["text,label", *rows]))
    check_task("sentiment", cell, ["data=text_table", f"data.path={path}"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder"),
    [("sst2", "sst2"), ("sst5", "sst5"), ("trec", "trec"), ("tweeteval", "tweeteval/irony")],
)
def test_published_layouts_give_a_task(name: str, folder: str, shared_data: Path) -> None:
    cfg = compose_config(["task=sentiment", f"data={name}", f"data.path={shared_data / folder}"])
    task, data = build(cfg)
    batch = next(iter(data.val_dataloader()))
    assert task(batch).shape == (len(batch.x), len(data.schema()["labels"]))
