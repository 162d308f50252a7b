import inspect
import json
from pathlib import Path

import pytest
from config_options import options_of, plain

from gru_suite.tasks.summarization.data import DocumentDataModule
from gru_suite.tasks.summarization.samples.package_docs import (
    as_document,
    prose_paragraphs,
    read_package_docs,
)
from gru_suite.tasks.summarization.task import SummarizationTask
from gru_suite.testing.contract import check_task, compose_config


@pytest.mark.parametrize("name", ["documents", "scitldr", "package_docs"])
def test_data_configs_have_the_options_of_the_data_module(name: str) -> None:
    found = plain(compose_config(["task=summarization", f"data={name}", "seed=7"]).data)
    assert set(found) - {"train_epochs", "train_fraction"} == set(options_of(DocumentDataModule))
    assert found["seed"] == 7


def test_defaults_have_one_home() -> None:
    found = plain(compose_config(["task=summarization", "data=documents"]).data)
    assert found.pop("train_fraction") == 1
    expected = options_of(DocumentDataModule) | {"seed": found["seed"]}
    assert found == {k: list(v) if isinstance(v, tuple) else v for k, v in expected.items()}
    assert plain(compose_config(["task=summarization"]).task) == options_of(SummarizationTask)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn", "min_gru"])
def test_contract(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    rows = [
        {
            "document": ["It rained."] * (row % 4)
            + [f"We show that item {row} works.", "We left."],
            "summary": [f"Item {row} works.", "It works."],
        }
        for row in range(80)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    check_task("summarization", cell, ["data=documents", f"data.path={path}"])


def test_contract_of_longer_summaries_and_tokens_without_ngrams(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    rows = [
        f"It rained. Item {row} works. We left. So did they.,It rained. We left."
        for row in range(60)
    ]
    path.write_text("\n".join(["document,summary", *rows]))
    options = ["data=documents", f"data.path={path}", "data.char_ngrams=null"]
    check_task("summarization", "gru", [*options, "task.word_hidden_size=0", "task.max_words=9"])


DOCSTRING = """Return the mean of an array.

    The mean is the sum of the values divided by their number.  It is `nan` for an
    empty array, see :func:`~numpy.sum`.

    - an item
    - of a list

    >>> mean([1])
    1

    A further paragraph of prose stands here. Too short.

    Parameters
    ----------
    a : array
        This paragraph is no part of the description at all.

    Notes
    -----
    The algorithm adds the values in pairs.

    .. math:: \\\\sum x
    """


def test_prose_of_a_docstring() -> None:
    assert prose_paragraphs(inspect.cleandoc(DOCSTRING)) == [
        "Return the mean of an array.",
        "The mean is the sum of the values divided by their number.  It is nan for an empty array, "
        "see numpy.sum.",
        "A further paragraph of prose stands here. Too short.",
        "The algorithm adds the values in pairs.",
    ]
    found = as_document(inspect.cleandoc(DOCSTRING), "numpy.mean", "numpy")
    assert found is not None
    assert found.references == ["Return the mean of an array."]
    # In a random order, the same in every process.
    assert found.sentences[0] != "The mean is the sum of the values divided by their number."
    assert sorted(found.sentences) == [
        "A further paragraph of prose stands here.",
        "It is nan for an empty array, see numpy.sum.",
        "The algorithm adds the values in pairs.",
        "The mean is the sum of the values divided by their number.",
    ]
    assert (found.group, found.location) == ("numpy", "numpy.mean")
    assert as_document("Return the mean of an array.\n\nOnly this one sentence.", "a", "a") is None


@pytest.mark.slow
def test_documentation_of_the_installed_packages() -> None:
    found = read_package_docs()
    assert len(found) > 2_000
    assert len({tuple(sorted(each.sentences)) for each in found.items}) == len(found)
    assert all(len(each.sentences) >= 3 and len(each.references) == 1 for each in found.items)
    # The summary was taken out.
    assert not any(each.references[0] in each.sentences for each in found.items)
    assert len({each.group for each in found.items}) > 5
    few = read_package_docs(50, seed=1)
    assert [each.location for each in few.items] == [
        each.location for each in read_package_docs(50, seed=1).items
    ]


def test_the_split_is_by_package() -> None:
    data = DocumentDataModule("package_docs", max_documents=300)
    data.setup()
    groups = [{each.group for each in data.parts[part].items} for part in ("train", "val", "test")]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
