"""Network, decoding, alignments and predictions of the translation model."""

import itertools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from translation_fixtures import SOURCES, TARGETS, make_dataset, make_task, pair_schema

from gru_suite.errors import UserError
from gru_suite.tasks.translation.batches.pair_dataset import PairBatch
from gru_suite.tasks.translation.inference.alignment import align_words, replace_unknown
from gru_suite.tasks.translation.inference.decoding import Decoding, attention_weights, decode
from gru_suite.tasks.translation.model import TranslationModel
from gru_suite.tasks.translation.network.translator import target_ids
from gru_suite.text.subwords import BEGIN, END, UNKNOWN

CELLS = ["gru", "lstm", "rnn", "min_gru"]
VARIANTS: list[dict[str, Any]] = [
    {},
    {"attention": "additive", "decoder_layers": 2},
    {"copy": True, "schema": pair_schema(shared=False)},
    {"copy": True, "decoder_layers": 2},
]


def make_model(**options: Any) -> TranslationModel:
    return make_task(**options).model


def batch_of(model: TranslationModel, rows: list[int]) -> PairBatch:
    return make_dataset(model.schema).__getitems__(rows)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", VARIANTS)
def test_step_by_step_is_the_whole(cell: str, options: dict[str, Any]) -> None:
    model = make_model(backbone={"cell": cell}, **options)
    batch = batch_of(model, [0, 1, 2, 3])
    with torch.inference_mode():
        whole_NV = model(batch).log_softmax(-1)
        memory, state = model.encode(batch.source_BS, batch.source_lengths_B)
        steps = []
        for time in range(batch.target_BT.size(1) - 1):
            log_BV, weights_BS, state = model.step(batch.target_BT[:, time], memory, state)
            torch.testing.assert_close(weights_BS.sum(1), torch.ones(4))
            torch.testing.assert_close(log_BV.exp().sum(1), torch.ones(4))
            steps.append(log_BV)
    log_BTV = torch.stack(steps, dim=1)
    valid = torch.arange(log_BTV.size(1)) < (batch.target_lengths_B - 1).unsqueeze(1)
    torch.testing.assert_close(log_BTV[valid], whole_NV, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", VARIANTS)
def test_padding_changes_nothing(options: dict[str, Any]) -> None:
    model = make_model(**options)
    with torch.inference_mode():
        together = model(batch_of(model, [2, 3])).log_softmax(-1)
        alone = [model(batch_of(model, [row])).log_softmax(-1) for row in (2, 3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_every_logit_has_its_token() -> None:
    model = make_model()
    batch = batch_of(model, [2, 3])
    expected = [[*ids, END] for ids in model.target_tokenizer.encode([TARGETS[2], TARGETS[3]])]
    assert target_ids(batch).tolist() == [*itertools.chain(*expected)]
    assert len(model(batch)) == len(target_ids(batch))
    assert batch.target_BT[:, 0].tolist() == [BEGIN, BEGIN]


def test_copied_tokens_have_probability_without_generation() -> None:
    model = make_model(schema=pair_schema(["qq a"], ["a b"], "word", shared=False), copy=True)
    torch.nn.init.constant_(model.decoder.generate.bias, -50.0)
    ids = torch.tensor(model.source_tokenizer.encode(["a"]))
    (copied,) = model.target_tokenizer.encode(["a"])
    with torch.inference_mode():
        memory, state = model.encode(ids, torch.tensor([1]))
        log_BV, _, _ = model.step(torch.tensor([BEGIN]), memory, state)
    assert float(log_BV[0, copied[0]].exp()) == pytest.approx(1, abs=1e-4)
    # A source token that the target vocabulary lacks is unknown there.
    ids = torch.tensor(model.source_tokenizer.encode(["qq"]))
    with torch.inference_mode():
        memory, state = model.encode(ids, torch.tensor([1]))
        log_BV, _, _ = model.step(torch.tensor([BEGIN]), memory, state)
    assert float(log_BV[0, UNKNOWN].exp()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("options", VARIANTS)
def test_batched_decoding_is_that_of_each_source(options: dict[str, Any]) -> None:
    model = make_model(**options)
    ids = model.source_tokenizer.encode(SOURCES)
    for beam_size in (1, 3):
        together = decode(model, ids, Decoding(beam_size, 1.0))
        for row, one in enumerate(ids):
            (alone,) = decode(model, [one], Decoding(beam_size, 1.0))
            assert [each.ids for each in alone] == [each.ids for each in together[row]]
            for ours, theirs in zip(alone, together[row], strict=True):
                assert ours.score == pytest.approx(theirs.score, abs=1e-4)


def test_log_probability_is_that_of_teacher_forcing() -> None:
    model = make_model()
    (hypotheses,) = decode(model, model.source_tokenizer.encode(SOURCES[:1]), Decoding(4, 1.0))
    for each in hypotheses:
        batch = batch_of(model, [0])
        tokens = torch.tensor([[BEGIN, *each.ids, END]])
        forced = batch._replace(
            target_BT=tokens, target_lengths_B=torch.tensor([len(each.ids) + 2])
        )
        with torch.inference_mode():
            log_NV = model(forced).log_softmax(-1)
        total = log_NV.gather(1, tokens[0, 1:, None]).sum()
        assert float(total) == pytest.approx(each.log_probability, abs=1e-4)
        assert each.score == pytest.approx(each.log_probability / (len(each.ids) + 1))


def test_predict_takes_every_kind_of_input(tmp_path: Path) -> None:
    model = make_model()
    frame = pd.DataFrame({"id": range(4), "source": SOURCES})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.txt").write_text("\n".join(SOURCES) + "\n")
    expected = model.predict(SOURCES, n_best=3)
    assert list(expected.to_frame().columns) == [
        *("source", "target", "score", "target_2", "score_2", "target_3", "score_3")
    ]
    for raw in (frame, *sorted(tmp_path.iterdir())):
        assert model.predict(raw).texts == expected.texts
    first = expected[0]
    assert (first.text, first.score) == (first.hypotheses[0], first.scores[0])
    assert [first.score, *(score for _, score in first.alternatives)] == first.scores


def test_empty_texts_stay_empty() -> None:
    found = make_model().predict(["", "a dog", " "], align=True)
    assert [each.text == "" for each in found][::2] == [True, True]
    assert found[0].score != found[0].score
    assert found[0].attention == []
    with pytest.raises(UserError, match="at least one that is not empty"):
        make_model().predict([" ", ""])


def test_a_prefix_is_kept() -> None:
    model = make_model()
    for beam_size in (1, 4):
        found = model.predict(SOURCES, beam_size=beam_size, prefix="der Hund")
        assert all(each.text.startswith("der Hund") for each in found)
    each = model.predict(SOURCES[:2], prefix=["ein", ""])
    assert each[0].text.startswith("ein")
    assert each[1].text == model.predict(SOURCES[1])[0].text
    with pytest.raises(UserError, match="found 1 texts for 2 sources"):
        model.predict(SOURCES[:2], prefix=["ein"])


def test_generated_pieces_are_the_greedy_translation() -> None:
    for seed in range(5):
        model = make_model(seed=seed, replace_unknown=False)
        for source in SOURCES:
            pieces = list(model.generate(source))
            assert "".join(pieces).strip() == model.predict(source, beam_size=1)[0].text
    assert "".join(make_model().generate("a dog", prefix="ein")).startswith("ein")


def test_max_tokens_ends_a_target() -> None:
    model = make_model()
    ids = model.source_tokenizer.encode(SOURCES)
    for beam_size in (1, 3):
        for hypotheses in decode(model, ids, Decoding(beam_size, 1.0, max_tokens=2)):
            assert all(len(each.ids) <= 2 for each in hypotheses)
    whole = decode(model, ids, Decoding(1, 1.0))[3][0].ids
    assert decode(model, ids, Decoding(1, 1.0, max_tokens=2))[3][0].ids == whole[:2]


def test_impossible_requests_name_the_option() -> None:
    model = make_model()
    for options, message in (
        ({"beam_size": 0}, r"beam_size=0: a whole number of at least 1"),
        ({"beam_size": 1_000}, r"beam_size=1000: needs a number from 1 to 100"),
        ({"n_best": 9}, r"n_best=9: a beam of 5 gives 5 hypotheses at most; set beam_size=9"),
        ({"max_tokens": 0}, r"max_tokens=0"),
    ):
        with pytest.raises(UserError, match=message):
            model.predict("a dog", **options)
    with pytest.raises(UserError, match=r"text 1: has [\d,]+ tokens, and the model takes 40"):
        model.predict(["a dog", "dog " * 10_000])
    with pytest.raises(UserError, match="cannot stream"):
        model.stream()
    for options, message in (
        ({"beam_size": 0}, r"task\.beam_size=0"),
        ({"attention": "dott"}, r"task\.attention=dott: no such choice; did you mean 'dot'"),
        ({"dropout": 1.0}, r"task\.dropout=1\.0"),
        ({"length_penalty": -1}, r"task\.length_penalty=-1"),
    ):
        with pytest.raises(UserError, match=message):
            make_model(**options)


def test_only_unknown_tokens_are_translated() -> None:
    found = make_model().predict("漢字 漢字")
    assert len(found) == 1
    assert found[0].score == found[0].score


def test_unknown_words_become_source_words() -> None:
    weights = torch.tensor([[0.1, 0.2, 0.7, 0.0], [0.9, 0.1, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    tokens, source = [" ein", " [UNK]", " ."], [" [UNK]", " loves", " Ber", "lin"]
    found = replace_unknown([9, UNKNOWN, 7], tokens, source, "Zyx, loves Berlin", weights)
    assert found == [" ein", " Zyx", " ."]
    words = pair_schema(["a dog runs", "a cat"], ["ein Hund läuft"], "word", shared=False)
    model = make_model(schema=words)
    torch.nn.init.constant_(model.decoder.bias_V, 0.0)
    model.decoder.bias_V.data[UNKNOWN] = 30.0
    text = model.predict("a zebra runs", max_tokens=2)[0].text
    assert "[UNK]" not in text
    assert set(text.split()) <= {"a", "zebra", "runs"}
    model.replace_unknown = False
    assert "[UNK]" in model.predict("a zebra runs", max_tokens=2)[0].text


def test_attention_of_words_sums_to_one() -> None:
    weights_TS = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]])
    found = align_words([" play", "house", " red"], [" Spiel", "haus"], weights_TS, "Playhouse red")
    # As the text spells them, where the tokenizer ignores case.
    assert found.source_words == ["Playhouse", "red"]
    assert found.target_words == ["Spielhaus"]
    assert found.weights[0] == pytest.approx([0.45, 0.55])
    digits = [" ", "2", "1", "-", "0", "4", "."]
    parts = align_words(digits, [" x"], torch.full((1, 7), 1 / 7), "21-04.")
    assert parts.source_words == ["21", "-", "04", "."]
    assert parts.weights[0] == pytest.approx([3 / 7, 1 / 7, 2 / 7, 1 / 7])
    model = make_model()
    for each in model.predict(SOURCES, align=True):
        assert len(each.attention) == len(each.target_words)
        assert "".join(each.target_words) == each.text.replace(" ", "")
        for row in each.attention:
            assert len(row) == len(each.source_words)
            assert sum(row) == pytest.approx(1, abs=1e-5)


def test_attention_is_that_of_each_pair() -> None:
    model = make_model()
    sources = model.source_tokenizer.encode(SOURCES)
    targets = model.target_tokenizer.encode(TARGETS)
    together = attention_weights(model, sources, targets)
    for row, weights_TS in enumerate(together):
        assert weights_TS.shape == (len(targets[row]) + 1, len(sources[row]))
        (alone,) = attention_weights(model, [sources[row]], [targets[row]])
        torch.testing.assert_close(weights_TS, alone, rtol=1e-4, atol=1e-5)


def test_files_are_translated_into_a_table_and_a_page(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a dog\n\ntwo houses\n")
    written = make_model().predict_file(tmp_path / "a.txt", tmp_path / "out.csv")
    assert written == [tmp_path / "out.csv", tmp_path / "out.html"]
    frame = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert frame["source"].tolist() == ["a dog", "", "two houses"]
    assert "two" in (tmp_path / "out.html").read_text(encoding="utf-8")
