"""Help and version texts, from the config files, without Hydra."""

import textwrap
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from gru_suite.plugins import installed_packages, own_package

if TYPE_CHECKING:
    from gru_suite.cli.verbs import Verb

_WIDTH = 96
# Groups in the order of the help; others follow by name.
_GROUPS = ("task", "data", "backbone", "device", "experiment", "debug")

_FLAGS = """\
  -m, --multirun        run every combination of comma-separated values
  --cfg job             show the composed config and run nothing
  --info [defaults]     show where the config comes from
  -cp DIR -cn NAME      run another root config, such as <run folder>/.hydra config
  --version [--verbose] show the version (and those of torch, Lightning, Hydra)
  -h, --help            show this help; gru-suite VERB --help shows that of one verb
  --hydra-help          show the flags of Hydra
  Tab completion:       eval "$(gru-suite --shell-completion install=bash)"
"""


def option_groups() -> dict[str, list[str]]:
    """Return the config groups and their options, those of plug-ins included."""
    groups: dict[str, set[str]] = {}
    for package in (own_package(), *installed_packages()[0]):
        for file in package.conf.glob("*/*.yaml"):
            if file.parent.name != "hydra":
                groups.setdefault(file.parent.name, set()).add(file.stem)
    names = sorted(groups, key=lambda g: (_GROUPS.index(g) if g in _GROUPS else len(_GROUPS), g))
    return {name: sorted(groups[name]) for name in names}


def help_text(verbs: Mapping[str, "Verb"], name: str | None) -> str:
    """Return the help of a verb, or of the program for None."""
    if name is not None and verbs[name].config is None:
        return _plain_help(name, verbs[name])
    if name is None:
        lines = ["usage: gru-suite [verb] [key=value ...] [flags]", "", "verbs:"]
        lines += [f"  {verb:<9} {verbs[verb].help}" for verb in verbs]
        verb, examples = "train", [e for verb in verbs.values() for e in verb.examples]
    else:
        lines = [f"usage: gru-suite {name} [key=value ...] [flags]", "", verbs[name].help]
        verb, examples = name, list(verbs[name].examples)
    groups, keys = root_config(verbs[verb].config)
    if groups:
        lines += ["", "groups (choose with group=option, change a key with group.key=value):"]
        lines += [_group_line(group, options) for group, options in groups.items()]
    if keys:
        title = "keys:" if name is not None else "keys of train:"
        lines += ["", title, *(f"  {line}" for line in keys)]
    if examples:
        lines += ["", "examples:", *(f"  {example}" for example in examples)]
    return "\n".join([*lines, "", "flags:", _FLAGS.rstrip()])


def _plain_help(name: str, verb: "Verb") -> str:
    """Return the help of a verb without a config."""
    lines = [f"usage: gru-suite {' '.join((name, *(word for word, _ in verb.words)))}"]
    lines += ["", verb.help]
    if verb.words:
        width = max(len(word) for word, _ in verb.words)
        lines += ["", "arguments:", *(f"  {word:<{width}}  {help_}" for word, help_ in verb.words)]
    if verb.examples:
        lines += ["", "examples:", *(f"  {example}" for example in verb.examples)]
    return "\n".join(lines)


def version_text(verbose: bool) -> str:
    """Return the version; with ``verbose`` also those of torch, Lightning and Hydra."""
    lines = [f"gru-suite {version('gru-suite')}"]
    if verbose:
        for package in ("torch", "pytorch-lightning", "hydra-core"):
            try:
                lines.append(f"{package} {version(package)}")
            except PackageNotFoundError:
                lines.append(f"{package} is not installed")
        from gru_suite.nn.cells.native.library import kernel

        native = kernel()
        runs = f"C kernel, {native.name}" if native else "torch"
        lines.append(f"gru, lstm, rnn, min_gru on the CPU: {runs}")
    return "\n".join(lines)


def _group_line(group: str, options: list[str]) -> str:
    indent = " " * 14
    return textwrap.fill(
        f"  {group:<11} {', '.join(options)}",
        _WIDTH,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def root_config(name: str | None) -> tuple[dict[str, list[str]], list[str]]:
    """Return the groups in the defaults of a root config, and the lines of its own keys."""
    if name is None:
        return {}, []
    sections: dict[str, list[str]] = {}
    section, comments = "", []
    for line in (own_package().conf / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comments.append(line)
            continue
        if line[:1].isalpha():
            section = line.partition(":")[0]
            sections[section] = comments
        elif not line.strip():
            comments = []
            continue
        sections.setdefault(section, []).append(line)
        comments = []
    chosen = [line.strip("- ").partition(":")[0] for line in sections.pop("defaults", [])]
    groups = {group: options for group, options in option_groups().items() if group in chosen}
    sections.pop("hydra", None)
    return groups, [line for lines in sections.values() for line in lines]
