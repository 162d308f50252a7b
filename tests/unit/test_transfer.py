"""Starting from another training's weights, and a backbone that stays still at first."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from forecasting_fixtures import make_batch, make_schema, make_task
from pytorch_lightning.callbacks import Callback
from sentiment_fixtures import text_schema
from trainers import quiet_trainer

from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch, collate
from gru_suite.tasks.sentiment.data import TextDataModule
from gru_suite.tasks.sentiment.network.hashed_linear import HashedLinear
from gru_suite.tasks.sentiment.task import SentimentTask
from gru_suite.tasks.sentiment.training.linear_fit import fit_linear
from gru_suite.training.callbacks.weight_averaging import ExponentialAveraging
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.transfer import FreezeBackbone, start_from

TEXTS = ["a good film", "a bad , dull film", "great", "not good at all"]
LABELS = [1, 0, 1, 0]


def schema_of_texts(
    labels: tuple[str, str] = ("neg", "pos"), texts: list[str] = TEXTS
) -> dict[str, Any]:
    return text_schema(texts, labels=list(labels), char_ngrams=[3, 4])


def sentiment(schema: dict[str, Any], seed: int, **backbone: Any) -> SentimentTask:
    torch.manual_seed(seed)
    options = {"hidden_size": 6, "bidirectional": True} | backbone
    return SentimentTask(options, schema, embedding_size=5, wide_buckets=1024)


def text_batch(task: SentimentTask, texts: list[str] = TEXTS) -> SequenceBatch:
    return collate(list(zip(task.model.tokenizer.encode(texts), LABELS, strict=True)))


def save(task: SequenceTask, path: Path) -> Path:
    trainer = quiet_trainer(enable_checkpointing=True)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return path


def test_one_tasks_backbone_starts_from_anothers(tmp_path: Path) -> None:
    source = sentiment(schema_of_texts(), 1, hidden_size=8, bidirectional=False)
    path = save(source, tmp_path / "text.ckpt")
    task = make_task()
    backbone = task.model.backbone
    drawn = backbone.rnn.weight_ih_l0.clone()
    told = "\n".join(start_from(task, path))
    assert "3 of 4 tensors taken over" in told
    assert "weight_ih_l0  left as drawn: (24, 5) there, (24, 8) here" in told
    torch.testing.assert_close(backbone.rnn.weight_ih_l0, drawn, rtol=0, atol=0)
    for name in ("weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        found, given = getattr(backbone.rnn, name), getattr(source.model.backbone.rnn, name)
        torch.testing.assert_close(found, given, rtol=0, atol=0)


def test_layers_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = save(make_task(), tmp_path / "one.ckpt")
    told = start_from(make_task(backbone={"hidden_size": 8, "num_layers": 2}), path)
    assert "4 of 8 tensors taken over" in told[0]
    assert any("weight_hh_l1" in line and "not there" in line for line in told)


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ({"cell": "lstm", "hidden_size": 8}, r"backbone\.cell is gru, here it is lstm"),
        ({"hidden_size": 8, "activation": "relu"}, r"set backbone\.activation=tanh"),
        ({"hidden_size": 9}, r"none of its weights fits; it has hidden_size=8"),
    ],
)
def test_a_backbone_of_another_kind_is_refused(
    tmp_path: Path, backbone: dict[str, Any], said: str
) -> None:
    path = save(make_task(), tmp_path / "gru.ckpt")
    with pytest.raises(UserError, match=said):
        start_from(make_task(backbone=backbone), path)


def test_the_same_vocabulary_and_labels_take_everything(tmp_path: Path) -> None:
    source = sentiment(schema_of_texts(), 1)
    path = save(source, tmp_path / "text.ckpt")
    task = sentiment(schema_of_texts(), 2)
    assert start_from(task, path)[0].endswith("13 of 13 tensors taken over")
    batch = text_batch(task)
    task.train(False)
    source.train(False)
    task.model.wide_share = source.model.wide_share = 0.0
    torch.testing.assert_close(task(batch), source(batch), rtol=0, atol=0)
    # Other words: the backbone alone. Other labels: the embedding too.
    other_words = start_from(sentiment(schema_of_texts(texts=["other words"]), 3), path)
    assert other_words[0].endswith("8 of 8 tensors taken over")
    other_labels = start_from(sentiment(schema_of_texts(("bad", "good")), 3), path)
    assert other_labels[0].endswith("10 of 10 tensors taken over")


def test_the_linear_path_learns_from_what_another_one_says(tmp_path: Path) -> None:
    source = sentiment(schema_of_texts(), 1)
    source.warm_start([text_batch(source)], [])
    path = save(source, tmp_path / "text.ckpt")
    new = ["a film", "film film", "great film", "at film"]
    scores = []
    for known in (False, True):
        task = sentiment(schema_of_texts(), 2)
        if known:
            start_from(task, path)
        task.warm_start([text_batch(task, new)], [])
        wide = task.model.wide
        assert wide is not None
        # "dull" is in no new text: only the prior knows that it is bad.
        tokens = text_batch(task, ["dull"] * 4).x
        logits_BK = wide(tokens) - wide.bias_K
        scores.append(float(logits_BK[0, 1] - logits_BK[0, 0]))
        assert all(np.isfinite(value.numpy()).all() for value in wide.state_dict().values())
    assert scores[0] == pytest.approx(0, abs=1e-6)
    assert scores[1] < -0.1


def test_the_linear_path_weighs_what_another_one_says() -> None:
    random = np.random.default_rng(0)
    words = [f"word{number}" for number in range(40)]
    texts = [" ".join(random.choice(words, 3)) for _ in range(400)]
    sequences = sentiment(schema_of_texts(texts=texts), 1).model.tokenizer.encode(texts)
    # The first half of the words is good.
    labels = [sum(int(word[4:]) < 20 for word in text.split()) // 2 for text in texts]
    batch = collate(list(zip(sequences[:100], labels[:100], strict=True)))
    shares = []
    for told in (labels[100:], random.permutation(labels[100:]).tolist()):
        other = HashedLinear(1024, 2, char_ngrams=True)
        fit_linear(other, [collate(list(zip(sequences[100:], told, strict=True)))], 10.0)
        prior = other.state_dict()
        path = HashedLinear(1024, 2, char_ngrams=True)
        fit_linear(path, [batch], 10.0)
        own_WK = path.weight_WK.clone()
        fit_linear(path, [batch], 10.0, prior)
        parts = torch.stack([own_WK[:, 1], prior["weight_WK"][:, 1]], 1)
        factors = torch.linalg.lstsq(parts, path.weight_WK[:, 1:]).solution.flatten()
        torch.testing.assert_close(parts @ factors, path.weight_WK[:, 1], atol=1e-4, rtol=1e-4)
        shares.append(float(factors[1] / factors.sum()))
    assert shares[0] > 0.6 > 0.2 > abs(shares[1])


def test_a_vocabulary_comes_from_a_checkpoint_and_training_texts_in_pieces(tmp_path: Path) -> None:
    path = save(sentiment(schema_of_texts(), 1), tmp_path / "text.ckpt")
    lines = [f"a good film {'very ' * 9}good,pos", "a dull film,neg", *["great,pos", "bad,neg"] * 9]
    (tmp_path / "texts.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    options: dict[str, Any] = {"path": str(tmp_path / "texts.csv"), "split": [1.0, 0.0, 0.0]}
    data = TextDataModule(**options, vocabulary_from=str(path), piece_tokens=4)
    data.prepare_data()
    with pytest.raises(UserError, match="val part is empty"):
        data.setup("fit")
    assert data.schema()["tokenizer"] == schema_of_texts()["tokenizer"]
    assert data.schema()["labels"] == ["neg", "pos"]
    train = data.datasets["train"]
    # 13 words: three pieces of 4, and a rest too short to keep. Shorter texts stay whole.
    assert sorted(train.lengths) == [1] * 18 + [3, 4, 4, 4]
    assert len(train.labels) == len(train.names) == len(train.lengths)
    other = save(make_task(), tmp_path / "numbers.ckpt")
    with pytest.raises(UserError, match="the checkpoint of a task on texts is needed"):
        TextDataModule(**options, vocabulary_from=str(other)).setup("fit")


def test_pieces_end_with_sentences(tmp_path: Path) -> None:
    lines = ["a good film ! and not dull . great ... very good,pos", "bad,neg", "dull film .,neg"]
    (tmp_path / "texts.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    path = str(tmp_path / "texts.csv")
    for char_ngrams in (None, [3, 4]):
        data = TextDataModule(
            path=path,
            split=[1.0, 0.0, 0.0],
            char_ngrams=char_ngrams,
            piece_tokens=4,
            piece_sentences=True,
        )
        data.prepare_data()
        with pytest.raises(UserError, match="val part is empty"):
            data.setup("fit")
        train = data.datasets["train"]
        # The third piece ends with the last sign of "...": before it there are too few tokens.
        assert sorted(train.lengths) == [1, 2, 3, 4, 4, 4]
    with pytest.raises(UserError, match=r"data\.piece_sentences needs data\.piece_tokens"):
        TextDataModule(path=path, piece_sentences=True)


class Watch(Callback):
    """Note in which epochs the backbone and the head moved."""

    def __init__(self) -> None:
        self.backbone: list[bool] = []
        self.head: list[bool] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.before = {name: p.detach().clone() for name, p in pl_module.named_parameters()}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        moved = {n for n, p in pl_module.named_parameters() if not torch.equal(p, self.before[n])}
        self.backbone.append(any(name.startswith("model.backbone.") for name in moved))
        self.head.append(any(name.startswith("model.decoder.") for name in moved))


def fit(folder: Path, epochs: int, callbacks: list[Callback], resume: Path | None = None) -> Watch:
    watch = Watch()
    loader: Any = torch.utils.data.DataLoader([make_batch(make_schema())], batch_size=None)
    trainer = quiet_trainer(
        max_epochs=epochs,
        default_root_dir=folder,
        enable_checkpointing=True,
        callbacks=[*callbacks, watch],
        gradient_clip_val=1.0,
    )
    trainer.fit(make_task(), loader, ckpt_path=resume, weights_only=True)
    trainer.save_checkpoint(folder / "last.ckpt")
    return watch


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*LeafSpec.*:FutureWarning")
@pytest.mark.parametrize("averaged", [False, True])
def test_the_backbone_stays_still_in_the_first_epochs_also_of_a_resumed_run(
    tmp_path: Path, averaged: bool
) -> None:
    def callbacks() -> list[Callback]:
        average: list[Callback] = [ExponentialAveraging(0.9)] if averaged else []
        return [FreezeBackbone(2), *average]

    whole = fit(tmp_path, 4, callbacks())
    assert whole.backbone == [False, False, True, True]
    assert whole.head == [True] * 4
    fit(tmp_path, 1, callbacks())
    rest = fit(tmp_path, 4, callbacks(), resume=tmp_path / "last.ckpt")
    assert rest.backbone == [False, True, True]


@pytest.mark.parametrize("epochs", [-1, 1.5, True, "two"])
def test_an_impossible_number_of_frozen_epochs_is_refused(epochs: Any) -> None:
    with pytest.raises(UserError, match=r"backbone\.freeze_epochs=.*whole number"):
        FreezeBackbone(epochs)
