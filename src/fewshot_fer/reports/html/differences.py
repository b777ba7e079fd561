"""Find the settings in which a run differs from conf/, and write the command that repeats it."""

import re
import shlex
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.config.conf_files import conf_names
from fewshot_fer.config.hydra import compose, plain
from fewshot_fer.config.quoting import quoted
from fewshot_fer.reports.html.collect import Run
from fewshot_fer.runs.read import Row, flatten

GROUPS = ("experiment", "dataset", "eval", "backbone", "method", "train", "paths")
MOST_COMPOSED = 60  # further runs are given by every value instead: longer, but as true
ASIDE = ("run", "test", "resume")
"""No difference between runs: the first two are words of their own, and a run that was stopped and
went on is the one that was not."""
OPEN = re.compile(
    r"(?P<parent>((eval|test\.[^.]+)\.)?dataset\.clips|method\.parts)\.(?P<name>.+)", re.S
)
"""Settings whose names are those of classes: any may be there."""


@dataclass(frozen=True)
class Composed:
    """A composed configuration. settings: flat; choices: the file of conf/ for each group."""

    settings: Row
    choices: dict[str, str]


@lru_cache(maxsize=512)
def composed(verb: str, overrides: tuple[str, ...] = ()) -> Composed | None:
    """Return conf/<verb>.yaml under overrides, None if they do not compose.

    One takes a quarter of a second; those of the same words share it.
    """
    try:
        config = compose(verb, overrides, with_hydra=True)
        choices = {str(group): str(name) for group, name in config.hydra.runtime.choices.items()}
        with open_dict(config):
            del config["hydra"]
        return Composed(flatten(plain(config)), choices)
    except (HydraException, OmegaConfBaseException):
        return None


@lru_cache(maxsize=512)
def defaults(verb: str, groups: tuple[str, ...], tests: tuple[str, ...]) -> Row | None:
    """Return the flat settings of conf/<verb>.yaml with these groups and tests, None if in vain.

    Without an experiment each group and each test changes settings of its own, so they are composed
    one by one and laid over the defaults: a sweep over five encoders and ten evaluations costs
    fifteen compositions, not fifty. An experiment has the last word in all of them. What comes back
    is shared by those of the same words, and not to be written to.
    """
    always = ("run=x",) if verb == "test" else ()
    if any(word.startswith("experiment=") for word in groups):
        whole = composed(verb, (*always, *groups, f"test=[{','.join(tests)}]"))
        return None if whole is None else whole.settings
    base = composed(verb, always)
    if base is None:
        return None
    settings = dict(base.settings)
    for word in [*groups, *(f"test=[{test}]" for test in tests)]:
        one = composed(verb, (*always, word))
        if one is None:
            return None
        for key in base.settings.keys() - one.settings.keys():
            settings.pop(key, None)
        new = one.settings.items()
        settings |= {key: value for key, value in new if base.settings.get(key, ...) != value}
    return settings


@dataclass(frozen=True)
class Difference:
    """A setting that a run changes; default is None where there is no such setting by default."""

    key: str
    default: str | None
    value: str


def differences(run: Run) -> list[Difference]:
    """Return each setting of a run that is not as conf/train.yaml or conf/test.yaml has it.

    Tests are compared with the files of conf/eval that they are named after; which are taken is a
    difference of its own, called `test`. What a run says of a paper is none: it changes no figure.
    """
    default = _base(run, [])
    if default is None:
        return []
    tests = list(_tests(run))
    found = [Difference("test", "none", ", ".join(tests))] if tests and run.verb == "train" else []
    return found + [
        Difference(key, shown(default[key]) if key in default else None, value)
        for key, value in ((key, shown(value)) for key, value in changed(run, default).items())
        if not key.startswith("paper.")
    ]


def command(run: Run) -> str | None:
    """Return the command that repeats a run, None where its configuration is not there.

    Made from config.yaml rather than from what was typed: the line of a sweep is one for all jobs,
    and defaults may have changed since. Only what differs from today's defaults is given.
    """
    if not run.settings:
        return None
    groups = _group_overrides(run)
    default = _base(run, groups)
    if default is None:
        groups, default = [], _base(run, [])
    if default is None:
        return None
    tests = list(_tests(run))
    words = groups + ([f"test={','.join(tests)}"] if tests else [])
    words += [_override(key, value, default) for key, value in changed(run, default).items()]
    words += [f"~{key}" for key in default if OPEN.match(key) and key not in run.settings]
    if run.verb == "test":
        words.insert(0, f"run={quoted(run.settings['run'])}")
    return shlex.join(["python", "-m", f"fewshot_fer.{run.verb}", *words])


def changed(run: Run, default: Row) -> Row:
    """Return the settings of a run that differ from a composed configuration."""
    return {
        key: value
        for key, value in run.settings.items()
        if key not in ASIDE and default.get(key, ...) != value
        and (key in default or OPEN.match(key))
    }  # fmt: skip


def shown(value: object) -> str:
    """Return a value for people.

    >>> shown(None), shown(0.001), shown(["a", "b"])
    ('none', '0.001', 'a, b')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return str(value)


def _base(run: Run, groups: list[str]) -> Row | None:
    """Return the settings that a run's are compared with: the same tests, and these groups."""
    words = tuple(word for word in groups if word != "test=[]")
    return defaults(run.verb, words, tuple(_tests(run)))


def _tests(run: Run) -> dict[str, None]:
    """Return the names of a run's tests that conf/eval has, in their order."""
    names = dict.fromkeys(key.split(".")[1] for key in run.settings if key.startswith("test."))
    return {name: None for name in names if name in conf_names("eval")}


def _group_overrides(run: Run) -> list[str]:
    """Return the groups that a run chose otherwise than its experiment or the defaults do."""
    chosen = run.summary.get("choices")
    if not isinstance(chosen, dict) or run.verb == "test":
        return []
    experiment = _choice(chosen, "experiment")
    if composed.cache_info().currsize > MOST_COMPOSED:
        return []
    start = [f"experiment={experiment}"] if experiment else []
    base = composed(run.verb, tuple(start))
    if base is None:
        return []
    groups = {group: _choice(chosen, group) for group in GROUPS[1:]}
    words = [f"{g}={name}" for g, name in groups.items() if name and name != base.choices.get(g)]
    had_tests = any(key.startswith("test.") for key in base.settings)
    return start + words + (["test=[]"] if had_tests and not _tests(run) else [])


def _choice(chosen: Row, group: str) -> str | None:
    """Return a group's choice if conf/ still has such a file."""
    name = chosen.get(group)
    if not isinstance(name, str) or Path(name).name != name:
        return None
    return name if name in conf_names(group) else None


def _override(key: str, value: object, default: Row) -> str:
    """Return a setting as Hydra takes it; a name that is no word, within a mapping."""
    found = OPEN.match(key)
    if found and key not in default and not found["name"].isidentifier():
        name = re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", found["name"])
        return f"+{found['parent']}={{{name}:{quoted(value)}}}"
    return f"{'' if key in default else '+'}{key}={quoted(value)}"
