"""Data module, training and export of the translation task."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from trainers import quiet_trainer
from translation_fixtures import SOURCES, TARGETS, make_dataset, make_task, pair_schema

from gru_suite.errors import UserError
from gru_suite.model.export.formats import companion_path, export_graph
from gru_suite.tasks.translation.data import PairDataModule
from gru_suite.tasks.translation.network.translator import target_ids
from gru_suite.tasks.translation.training.generation_metrics import GenerationMetrics

WORDS = "a red house two small houses dog runs to the big tree".split()


def write_pairs(folder: Path, count: int = 80) -> list[tuple[str, str]]:
    draw = np.random.default_rng(0)
    sources = [" ".join(draw.choice(WORDS, 4)) + f" {number}" for number in range(count)]
    pairs = [(source, " ".join(source.split()[::-1])) for source in sources]
    pd.DataFrame(pairs, columns=["en", "xx"]).to_csv(folder / "pairs.csv", index=False)
    for place, end in enumerate(("en", "xx")):
        content = "\n".join(pair[place] for pair in pairs) + "\n"
        with gzip.open(folder / f"corpus.{end}.gz", "wt", encoding="utf-8") as file:
            file.write(content)
        (folder / f"side_{end}.txt").write_text(content, encoding="utf-8")
    return pairs


def module(path: Any, **options: Any) -> PairDataModule:
    given = {"source": "en", "target": "xx", "vocabulary_size": 80, "min_count": 1} | options
    data = PairDataModule(path=path, **given)
    data.setup()
    return data


def test_tables_and_aligned_files_are_the_same_data(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    table = module(str(tmp_path / "pairs.csv"))
    begun = module(str(tmp_path / "corpus"))
    listed = module([str(tmp_path / "side_en.txt"), str(tmp_path / "side_xx.txt")])
    for other in (begun, listed):
        for part in ("train", "val", "test"):
            assert other.parts[part].sources == table.parts[part].sources
            assert other.datasets[part].target_ids == table.datasets[part].target_ids
    assert {part: len(pairs) for part, pairs in table.parts.items()} == {
        "train": 64,
        "val": 8,
        "test": 8,
    }
    assert table.schema()["source_tokenizer"] == begun.schema()["source_tokenizer"]


def test_missing_files_and_ends_are_named(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    for path, options, message in (
        (tmp_path / "corpsu", {}, r"no such file, nor corpsu\.en and corpsu\.xx"),
        (tmp_path / "corpus", {"target": "de"}, r"no corpus\.de; there are corpus\.en\.gz"),
        (
            tmp_path / "pairs.csv",
            {"target": "xy"},
            r"data\.target needs column 'xy', .*choose one of en, xx",
        ),
    ):
        with pytest.raises(UserError, match=message):
            module(str(path), **options)
    with pytest.raises(UserError, match=r"data\.path has 1 files: two line-aligned ones"):
        module([str(tmp_path / "side_en.txt")])
    with pytest.raises(UserError, match=r"data\.path is not set; give a table"):
        module(None)
    with pytest.raises(UserError, match=r"data\.layout=pair: no such choice; did you mean 'pairs'"):
        PairDataModule(layout="pair")


def test_long_training_pairs_are_left_out_with_a_note(tmp_path: Path) -> None:
    pairs = [*write_pairs(tmp_path), ("dog " * 60 + "x", "dog")]
    pd.DataFrame(pairs, columns=["en", "xx"]).to_csv(tmp_path / "more.csv", index=False)
    parts = {f"{part}_path": str(tmp_path / "pairs.csv") for part in ("val", "test")}
    data = module(None, train_path=str(tmp_path / "more.csv"), max_tokens=40, **parts)
    assert len(data.datasets["train"]) == len(pairs) - 1
    assert any("more than 40 tokens (data.max_tokens): 1 pairs" in line for line in data.summary())


def test_one_vocabulary_or_two(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    shared = module(str(tmp_path / "pairs.csv")).schema()
    frame = pd.read_csv(tmp_path / "pairs.csv")
    frame.assign(xx=frame["xx"].str.upper()).to_csv(tmp_path / "pairs.csv", index=False)
    apart = module(str(tmp_path / "pairs.csv"), shared_vocabulary=False).schema()
    assert shared["target_tokenizer"] is None
    assert apart["target_tokenizer"] not in (None, apart["source_tokenizer"])
    json.dumps([shared, apart])


def test_a_schema_prepares_other_pairs_alike(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    first = module(str(tmp_path / "pairs.csv"))
    again = PairDataModule(
        test_path=str(tmp_path / "pairs.csv"), source="en", target="xx", schema=first.schema()
    )
    again.setup("test")
    assert len(again.datasets["test"]) == 80
    row = again.parts["test"].sources.index(first.parts["train"].sources[0])
    assert again.datasets["test"].source_ids[row] == first.datasets["train"].source_ids[0]


def test_the_loss_is_the_cross_entropy_of_tokens() -> None:
    task = make_task(label_smoothing=0.2)
    batch = make_dataset(task.model.schema).__getitems__([0, 3])
    output = task(batch)
    expected = F.cross_entropy(output, target_ids(batch))
    torch.testing.assert_close(task.loss(output, batch), expected)
    smoothed = task.train().loss(output, batch)
    log_NV = output.log_softmax(-1)
    torch.testing.assert_close(smoothed, 0.8 * expected - 0.2 * log_NV.mean())


def test_perplexity_is_of_all_tokens() -> None:
    task = make_task()
    dataset = make_dataset(task.model.schema)
    metrics = GenerationMetrics()
    with torch.inference_mode():
        for rows in ([0, 1], [2, 3]):
            batch = dataset.__getitems__(rows)
            task.update_metrics(metrics, task(batch), batch)
        whole = dataset.__getitems__([0, 1, 2, 3])
        loss = F.cross_entropy(task(whole), target_ids(whole))
    found = metrics.compute()
    assert float(found["perplexity"]) == pytest.approx(float(loss.exp()), rel=1e-4)
    assert set(task.better) == set(found)


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_a_fit_decodes_a_share_of_the_validation_pairs(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    data = module(str(tmp_path / "pairs.csv"), batch_size=2)
    task = make_task(schema=data.schema(), val_decoded=4)
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=1)
    trainer.fit(task, data)
    assert int(task.val_metrics.num_pairs) == 4
    trainer.test(task, data, verbose=False)
    assert int(task.test_metrics.num_pairs) == 8


def test_a_small_model_learns_its_pairs() -> None:
    schema = pair_schema()
    task = make_task(schema=schema, dropout=0.0, backbone={"hidden_size": 24}).train()
    batch = make_dataset(schema).__getitems__([0, 1, 2, 3])
    optimizer = torch.optim.Adam(task.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        task.loss(task(batch), batch).backward()
        optimizer.step()
    for beam_size in (1, 5):
        assert task.eval().model.predict(SOURCES, beam_size=beam_size).texts == TARGETS
    attention = task.model.predict(SOURCES, align=True)
    assert all(each.attention for each in attention)


@pytest.mark.slow
def test_both_files_of_an_export_translate_as_the_model(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = make_task().model
    written = export_graph(model.export_module(), tmp_path / "m.onnx", "onnx", {})
    step_path = companion_path(tmp_path / "m.onnx", "step")
    assert any(str(step_path) in note for note in written.notes)
    encoder = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    step = onnxruntime.InferenceSession(step_path)
    for source in SOURCES:
        tokens = np.array(model.source_tokenizer.encode([source]))
        lengths = np.array([tokens.shape[1]])
        memory, *states = encoder.run(None, {"tokens": tokens, "lengths": lengths})
        ids = [2]
        while ids[-1] != 3 and len(ids) < 12:
            feed = {"token": np.array(ids[-1:]), "tokens": tokens, "lengths": lengths}
            feed |= {"memory": memory} | {f"state_{n}": each for n, each in enumerate(states)}
            log, attention, *states = step.run(None, feed)
            assert attention.sum() == pytest.approx(1, abs=1e-5)
            log[0, [0, 2]] = -np.inf
            ids.append(int(log[0].argmax()))
        found = model.target_tokenizer.decode(ids)
        assert model.predict(source, beam_size=1, max_tokens=len(ids) - 2)[0].text == found or (
            ids[-1] != 3
        )


@pytest.mark.slow
def test_int8_is_refused_with_the_reason(tmp_path: Path) -> None:
    task = make_task()
    trainer = quiet_trainer()
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "t.ckpt")
    write_pairs(tmp_path)
    words = ["export", "checkpoint=t.ckpt", "int8=true", "data=text_pairs", "data.path=pairs.csv"]
    done = subprocess.run(
        [sys.executable, "-m", "gru_suite", *words, "data.source=en", "data.target=xx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "exported as several files" in done.stderr
