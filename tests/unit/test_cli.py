"""The command line in this process: words, errors in words, what a command sees, completion.

Jobs run a stand-in command, so that torch is not needed; tests/smoke runs the real ones.
"""

import os
import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.singleton import Singleton
from omegaconf import OmegaConf

from gru_suite.cli import main as cli
from gru_suite.cli.hydra_call import parse_hydra_call
from gru_suite.cli.main import VERBS, Job, main, split_verb
from gru_suite.errors import UserError

COMMAND = """
import os, sys
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import OmegaConf
from gru_suite.errors import UserError

class Thing:
    def __init__(self, path, size=1):
        if size < 0:
            raise UserError(f"size={size}: needs 0 or more")
        if size == 7:
            raise ValueError("seven is odd")
        if size == 8:
            len(5)

def command(cfg):
    seen.append((cfg, list(sys.argv), os.environ.get("HYDRA_FULL_ERROR"),
                 HydraConfig.get().runtime.output_dir))
    return action(cfg)

seen = []
def action(cfg):
    pass
"""


@pytest.fixture(autouse=True)
def _hydra_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    state = Singleton.get_state()
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    yield
    Singleton.set_state(state)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Put a stand-in behind every verb, and return its module."""
    (tmp_path / "stand_in.py").write_text(COMMAND)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("train", "evaluate", "predict"):
        monkeypatch.setitem(VERBS, name, VERBS[name]._replace(target="stand_in:command"))
    module = __import__("stand_in")
    yield module
    del sys.modules["stand_in"]


QUIET = ["hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]


def run(*words: str) -> int:
    return main([*words, *QUIET])


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert text.startswith("gru-suite: error: ")
    assert text.count("\n") <= 2
    return text.removeprefix("gru-suite: error: ").strip()


# Words


@pytest.mark.parametrize(
    ("words", "verb", "rest"),
    [
        ([], None, []),
        (["seed=2"], None, ["seed=2"]),
        (["-m", "seed=1,2"], None, ["-m", "seed=1,2"]),
        (["+a=1"], None, ["+a=1"]),
        (["~a"], None, ["~a"]),
        (["train", "seed=2"], "train", ["seed=2"]),
        (["evaluate"], "evaluate", []),
    ],
)
def test_first_word_chooses_the_verb(words: list[str], verb: str | None, rest: list[str]) -> None:
    assert split_verb(words) == (verb, rest)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("evalute", "did you mean 'evaluate'?"),
        ("xyz", f"choose one of {', '.join(VERBS)}"),
        ("forecasting", "did you mean 'task=forecasting'?"),
        ("data.path", "write key=value"),
    ],
)
def test_unknown_verb_names_the_nearest(word: str, hint: str) -> None:
    with pytest.raises(UserError, match=re.escape(hint)):
        split_verb([word])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("sales.csv", "gru-suite data=csv data.path=sales.csv"),
        ("best.ckpt", "gru-suite inspect checkpoint=best.ckpt"),
        ("best.ckpt in.csv", "gru-suite predict checkpoint=best.ckpt input=in.csv"),
        ("predict best.ckpt in.csv", "gru-suite predict checkpoint=best.ckpt input=in.csv"),
        (
            "predict in.wav checkpoint=a.ckpt output=b.csv",
            "gru-suite predict input=in.wav checkpoint=a.ckpt output=b.csv",
        ),
        ("evaluate best.ckpt part=val", "gru-suite evaluate checkpoint=best.ckpt part=val"),
        ("export a.ckpt a.onnx", "gru-suite export checkpoint=a.ckpt output=a.onnx"),
        ("train task=sentiment r.csv", "gru-suite task=sentiment data=text_table data.path=r.csv"),
        ("train data=ett ETTh1.csv", "gru-suite data=ett data.path=ETTh1.csv"),
        ("inspect a.ckpt", "checkpoint=a.ckpt"),
    ],
)
def test_arguments_without_keys_are_named(
    words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert error_of(capsys).endswith(f"write{'' if words.startswith('inspect') else ':'} {line}")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("device=cuda", "did you mean 'device=gpu'?"),
        ("data=sales.csv", "did you mean 'data=csv data.path=sales.csv'?"),
        ("task=video_action data=my/clips", "'data=video_folders data.path=my/clips'"),
        ("task=speech_commands data=a.wav", "'data=audio_folders data.path=a.wav'"),
        ("device=xyz", "choose one of auto, cpu, gpu"),
    ],
)
def test_values_of_other_programs_get_a_hint(
    words: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words.split()) == 2
    assert hint in error_of(capsys)


def test_predict_with_an_output_leaves_no_run_folder(
    command: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(tmp_path.rglob("*"))
    assert main(["predict", "checkpoint=a.ckpt", "input=b.csv", "output=c.csv"]) == 0
    left = {path.name for path in set(tmp_path.rglob("*")) - before}
    assert not left & {"outputs", ".hydra", "gru-suite.log"}, left


def parse(verb: str, *words: str) -> list[str]:
    return parse_hydra_call(verb, verb, words, verbs=VERBS).words


def test_flags_may_stand_anywhere() -> None:
    assert parse("train", "a=1", "-m", "b=2,3", "--cfg", "job", "c=4") == (
        ["a=1", "b=2,3", "c=4", "-m", "--cfg", "job"]
    )


def test_data_options_of_a_checkpoint_verb_are_merged_over_its_data() -> None:
    words = ["data.path=x.csv", "data=csv", "+data.a=1", "++data.b=1", "~data.c", "database=1"]
    merged = ["++data.path=x.csv", *words[1:]]
    assert parse("train", *words) == words
    assert parse("evaluate", *words) == merged
    assert parse("predict", *words) == merged


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cgf", "job"], "no flag '--cgf'; did you mean '--cfg'?"),
        (["--cfg"], "expected one argument"),
        (["--cfg", "jobb"], "invalid choice: 'jobb'"),
        (["a=1", "evaluate"], "the verb 'evaluate' comes first: gru-suite evaluate"),
        (["a=1", "seed"], "'seed' is no override; write key=value"),
        (["-cp", "/no/such/folder"], "no such folder"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        parse("train", *words)


# Errors of the config, in words

WRONG = {
    "data.lokback=3": "no key 'data.lokback' in the config; did you mean 'data.lookback'?",
    "lookback=3": "no key 'lookback' in the config; did you mean 'data.lookback'?",
    "epochs=3": "no key 'epochs' in the config; did you mean 'trainer.max_epochs'?",
    "dat.lookback=3": "no key 'dat.lookback' in the config; did you mean 'data.lookback'?",
    "data.lookback.x=3": "no key 'data.lookback.x' in the config; did you mean 'data.lookback'?",
    "zzz=3": "no key 'zzz' in the config; choose one of seed, ",
    "~zzz": "no key 'zzz' in the config; choose one of seed, ",
    "hydra.run.dri=x": "did you mean 'hydra.run.dir'?",
    "task=forcasting": "task=forcasting: there is no such option; did you mean 'forecasting'?",
    "backbone=gruu": "backbone=gruu: there is no such option; did you mean 'gru'?",
    "experiment=etth1": "experiment=etth1: there is no such option; did you mean 'etth1_",
    "hydra/launcher=x": "hydra/launcher=x: there is no such option; choose one of basic",
    "tsk=forecasting": "no key 'tsk' in the config; did you mean 'task'?",
    "device=3": "device=3: device is a group; choose one of its options by name",
    "data.path=a(b": """cannot be read (no viable alternative at input 'a(b'); for text write""",
    "checkpoint=a=b.ckpt": """for text write 'checkpoint="a=b.ckpt"'""",
    "seed=1,2": "to run each of them: gru-suite -m seed=1,2, as a list: seed=[1,2]",
    "+seed=1": "An item is already at 'seed'",
    "backbone@x=gru": "Did you mean to override backbone?",
    "hydra.job.chdir=maybe": "hydra.job.chdir=maybe: Value 'maybe' is not a valid bool",
}


@pytest.mark.parametrize("word", WRONG)
def test_wrong_override_names_the_nearest_right_one(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word, "--cfg", "job"]) == 2
    assert WRONG[word] in error_of(capsys)


def test_a_second_mistake_does_not_hide_the_hint_for_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["data.lokback=3", "data=sine", "zzz=1", "--cfg", "job"]) == 2
    assert error_of(capsys).endswith("did you mean 'data.lookback'?")


def test_evaluate_chooses_from_its_own_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "optimizer=adam", "--cfg", "job"]) == 2
    assert error_of(capsys).startswith("evaluate does not choose a 'optimizer'")


def test_flags_that_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", "job", "--info"]) == 2
    assert error_of(capsys).startswith("Only one of --run, --multirun")


# Errors of a job


def failing(expression: str) -> object:
    """Return an action that evaluates an expression of ``cfg``."""

    def action(cfg: object) -> object:
        import stand_in  # type: ignore[import-not-found]

        return eval(expression, {**vars(stand_in), "cfg": cfg})

    return action


USERS = {
    "cfg.checkpoint": "checkpoint is needed; add checkpoint=...",
    "OmegaConf.create({'a': {'b': '${devise}'}}).a.b": "a.b: there is no 'devise' to take",
    "OmegaConf.create({'a': '???', 'b': '${a}'}).b": "a is needed; add a=...",
    "Thing.__init__(None, 'p', size=-1)": "size=-1: needs 0 or more",
    "instantiate({'_target_': 'stand_in.Thing', 'path': 1, 'size': -1})": "size=-1: needs 0 or",
    "instantiate({'_target_': 'stand_in.Thing', 'path': 1, 'size': 7})": "seven is odd",
    "instantiate({'_target_': 'stand_in.Thing'})": "path is needed by Thing",
    "instantiate({'a': {'_target_': 'stand_in.Thing', 'pth': 1}}).a": "no key 'a.pth': Thing takes",
    "instantiate({'_target_': 'stand_in.Thin'})": "_target_=stand_in.Thin cannot be found: No mod",
    "instantiate({'_target_': 'stand_inn.A'})": "_target_=stand_inn.A cannot be found: No module",
    "instantiate(OmegaConf.create({'a': {'_target_': 'stand_in.Thing', 'path': '???'}}).a)": (
        "a.path is needed; add a.path=..."
    ),
}


@pytest.mark.parametrize("expression", USERS)
def test_users_mistake_in_a_job_is_a_line_and_exit_code_2(
    expression: str, command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command.action = failing(expression)  # type: ignore[attr-defined]
    assert run("evaluate") == 2
    assert USERS[expression] in error_of(capsys)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("cfg.devise", "no key 'devise' in the config; did you mean 'device'?"),
        (
            "instantiate({'_target_': 'stand_in.Thing', 'path': 1, 'size': 8})",
            "TypeError: object of",
        ),
    ],
)
def test_failure_of_ours_shows_its_traceback_and_exit_code_1(
    expression: str, message: str, command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command.action = failing(expression)  # type: ignore[attr-defined]
    assert run("evaluate") == 1
    text = capsys.readouterr().err
    assert text.startswith("Traceback")
    assert f"gru-suite: error: {message}" in text
    assert "Error executing job" not in text
    assert "run_job" not in text


def test_key_that_the_user_took_away_is_no_failure_of_ours(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command.action = failing("cfg.part")  # type: ignore[attr-defined]
    assert run("evaluate", "~part") == 2
    assert error_of(capsys).startswith("no key 'part' in the config")


def test_package_that_fails_on_import_is_named_with_its_traceback(
    command: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "acme_crashes.py").write_text("1 / 0\n")
    command.action = failing("instantiate({'_target_': 'acme_crashes.Task'})")  # type: ignore[attr-defined]
    assert run("evaluate") == 1
    text = capsys.readouterr().err
    assert "_target_=acme_crashes.Task fails on import: ZeroDivisionError" in text
    assert 'acme_crashes.py", line 1' in text


def test_value_of_a_wrong_kind_is_named_when_it_made_the_job_fail(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command.action = failing("cfg.device.devices < 3")  # type: ignore[attr-defined]
    assert run("evaluate", "device.devices=two") == 2
    assert error_of(capsys).splitlines() == [
        "device.devices=two: a whole number (such as 1) is needed here",
        "(it failed with TypeError: '<' not supported between instances of 'str' and 'int'; "
        "set HYDRA_FULL_ERROR=1 for the traceback)",
    ]


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("device.devices=1.5", "a whole number (such as 1)"),
        ("trainer.gradient_clip_val=x", "a number (such as 1.0)"),
        ("trainer.deterministic=maybe", "true or false"),
        ("monitor=val/loss", "a dict with metric, mode"),
    ],
)
def test_each_kind_of_value_is_told(
    override: str, wanted: str, command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command.action = failing("int('x')")  # type: ignore[attr-defined]
    assert run("data=sine", override) == 2
    assert f"{override}: {wanted} is needed here" in error_of(capsys)


def test_value_of_another_kind_is_not_blamed_for_other_failures(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command.action = failing("1 / 0")  # type: ignore[attr-defined]
    assert run("evaluate", "device.devices=auto") == 1
    assert "device.devices" not in capsys.readouterr().err


def test_asked_for_traceback_comes_before_the_message(
    command: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    command.action = failing("cfg.checkpoint")  # type: ignore[attr-defined]
    assert run("evaluate") == 2
    text = capsys.readouterr().err
    assert text.startswith("Traceback")
    assert text.endswith("gru-suite: error: checkpoint is needed; add checkpoint=...\n")
    assert command.seen[0][2] == "1"  # type: ignore[attr-defined]


def test_run_folder_that_cannot_be_made(
    command: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run("evaluate", f"hydra.run.dir={tmp_path}/file/run") == 2
    assert error_of(capsys).startswith(f"the run folder {tmp_path}/file")


def test_interrupt(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    command.action = failing("exec('raise KeyboardInterrupt')")  # type: ignore[attr-defined]
    assert run("evaluate") == 130
    assert capsys.readouterr().err == "gru-suite: interrupted\n"


def test_interrupt_that_lightning_turned_into_an_exit(command: object) -> None:
    code = "try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n    raise SystemExit(1)"
    command.action = failing(f"exec({code!r})")  # type: ignore[attr-defined]
    assert run("evaluate") == 130


# What a command sees, and what is left behind


def test_command_sees_the_whole_command_line_and_the_users_environment(command: object) -> None:
    # Lightning starts the other processes of a distributed run from sys.argv.
    before = list(sys.argv)
    words = ["evaluate", "-m", "part=val", *QUIET]
    assert main(words) == 0
    cfg, argv, full_error, _ = command.seen[0]  # type: ignore[attr-defined]
    assert cfg.part == "val"
    assert argv == [before[0], *words]
    assert full_error is None
    assert sys.argv == before
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_runs_that_start_in_one_second_have_folders_of_their_own(command: object) -> None:
    for _ in range(3):
        assert run("data=sine") == 0
    folders = {output_dir for *_, output_dir in command.seen}  # type: ignore[attr-defined]
    assert len(folders) == 3
    pattern = r"outputs/forecasting/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-[0-9a-f]{6}"
    assert all(re.search(f"{pattern}$", folder) for folder in folders)


def test_short_id_is_one_in_a_run_and_new_in_the_next() -> None:
    ids = []
    for _ in range(2):
        Job("stand_in:command", [])
        config = OmegaConf.create({"a": "${short_id:}", "b": "${short_id:}"})
        assert config.a == config.b
        ids.append(config.a)
    assert ids[0] != ids[1]


def test_sweep_goes_on_after_a_failed_job_and_names_it(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    action = failing("cfg.part == 'b' and exec('raise UserError(\"b is bad\")')")
    command.action = action  # type: ignore[attr-defined]
    assert run("evaluate", "-m", "part=a,b,c", "checkpoint=x") == 2
    assert error_of(capsys) == "job 1 (part=b checkpoint=x): b is bad"
    assert [cfg.part for cfg, *_ in command.seen] == ["a", "b", "c"]  # type: ignore[attr-defined]
    folders = [Path(output_dir) for *_, output_dir in command.seen]  # type: ignore[attr-defined]
    assert len({folder.parent for folder in folders}) == 1
    assert [folder.name for folder in folders] == ["0", "1", "2"]


def test_job_survives_a_launchers_pickle() -> None:
    job = pickle.loads(pickle.dumps(Job("stand_in:command", ["evaluate", "a=1"])))
    assert (job.target, job.words) == ("stand_in:command", ["evaluate", "a=1"])


def test_rerun_of_a_run_folder(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data=sine", "backbone=lstm", "seed=5") == 0
    *_, first = command.seen[0]  # type: ignore[attr-defined]
    rerun = ["-cp", os.path.relpath(first) + "/.hydra", "-cn", "config"]
    assert run(*rerun, "seed=6") == 0
    cfg, *_, second = command.seen[1]  # type: ignore[attr-defined]
    assert (cfg.backbone.cell, cfg.seed) == ("lstm", 6)
    assert Path(second).parent == Path(first).parent
    assert second != first
    assert run(*rerun, "sead=6") == 2
    assert "did you mean 'seed'?" in error_of(capsys)
    assert run(*rerun, "backbone=gru") == 2
    assert "the 'backbone' of a rerun is fixed" in error_of(capsys)


# Help and completion


def test_help_lists_verbs_groups_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in VERBS.values():
        assert verb.help in text
        assert all(example in text for example in verb.examples)
    assert re.search(r"^  backbone +gru, lstm, min_gru, rnn$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 100


def test_help_of_a_verb_shows_its_own_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "-h"]) == 0
    text = capsys.readouterr().out
    assert "  checkpoint: ???" in text
    assert "defaults:" not in text
    assert "optimizer" not in text


@pytest.mark.parametrize(
    ("verb", "some"),
    [("tasks", "usage: gru-suite tasks"), ("inspect", "format=json"), ("new-task", "--package")],
)
def test_help_of_a_verb_without_a_config_has_no_flags_of_hydra(
    verb: str, some: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert some in text
    assert VERBS[verb].help in text
    assert "multirun" not in text


def test_tasks_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "x=1"]) == 2
    assert "takes no arguments" in error_of(capsys)


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("gru-suite ta", {"tasks", "task="}),
        ("gru-suite ", {*VERBS, "backbone=", "seed="}),
        ("gru-suite ins", {"inspect"}),
        ("gru-suite inspect ", {"checkpoint=", "format=json"}),
        ("gru-suite inspect checkpoint=", {"checkpoint=best.ckpt", "checkpoint=folder/"}),
        ("gru-suite inspect format=json checkpoint=be", {"checkpoint=best.ckpt"}),
        ("gru-suite new-task ", {"--package"}),
        ("gru-suite new-task wave --pa", {"--package"}),
        ("gru-suite backbone=l", {"backbone=lstm"}),
        ("gru-suite train backbone=l", {"backbone=lstm"}),
        ("gru-suite data.loo", {"data.lookback="}),
        ("gru-suite evaluate che", {"checkpoint="}),
        ("gru-suite evaluate part=val che", {"checkpoint="}),
        ("gru-suite evaluate checkpoint=be", {"checkpoint=best.ckpt"}),
        ("gru-suite evaluate checkpoint=fo", {"checkpoint=folder/"}),
        ("gru-suite evaluate checkpoint=folder/", {"checkpoint=folder/last.ckpt"}),
        ("gru-suite --mu", {"--multirun"}),
        ("gru-suite tasks ", set()),
        ("gru-suite a(b se", set()),
        ("gru-suite predict opti", set()),
    ],
)
def test_completion(
    line: str,
    some: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("best.ckpt", "folder/last.ckpt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMP_LINE", line)
    assert main(["-sc", "query=bash"]) == 0
    printed = capsys.readouterr()
    words = set(printed.out.split())
    assert some <= words
    assert words if some else not words
    assert printed.err == ""


def test_completion_offers_only_what_begins_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", "gru-suite evaluate d")
    cli.main(["-sc", "query=bash"])
    assert all(word.startswith("d") for word in capsys.readouterr().out.split())


def test_a_run_of_an_earlier_version_gets_the_keys_that_it_lacks(tmp_path: Path) -> None:
    saved = tmp_path / ".hydra" / "config.yaml"
    saved.parent.mkdir()
    saved.write_text("seed: 3\nmonitor: {metric: val/loss, mode: min}\nresume: null\n")
    words = parse_hydra_call("train", "train", [f"resume={tmp_path}"], ["train"]).overrides
    assert {"+jobs=1", "+checkpoint=null", "+compare.match='hidden_size'"} <= set(words)
    assert not any(word.startswith(("+seed", "+monitor")) for word in words)
