"""Rewrite the arguments of a command, key=value, into the overrides that Hydra reads.

`images=a.jpg,b.jpg` means two pictures, not a sweep, and a path may hold spaces, brackets or Korean
letters; `test=a,b` is a list unless -m is given, `test.n_way=5` is for every test that is named,
and `sweep=NAME` stands for the words in conf/sweep/NAME.yaml.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli.named_sweep import sweep_file, sweep_words, tests_as_list
from fewshot_fer.cli.sweep import FLAGS
from fewshot_fer.cli.typed_values import OF_HYDRA, as_it_is_meant, as_list, typed_keys
from fewshot_fer.config.config_source import SCHEMAS
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.schema import EvalConfig
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.text import RENAME, fits_table

SHORT = re.compile(
    rf"(\+{{0,2}})test\.((?:{'|'.join(each.name for each in fields(EvalConfig))})[.=].*)", re.S
)
"""test.n_way=5, a field of every test, as against test.afew_4w5s.n_way=5, a field of one."""


def check_place(words: list[str]) -> None:
    """Raise ConfigError for words, or a working folder, that no table or configuration can hold.

    Pictures are another matter: their names are written with escapes.
    """
    try:
        here = str(Path.cwd())
    except FileNotFoundError as error:
        raise ConfigError("the working folder is not there any more: change to another") from error
    named = [here, *(word for word in words if not word.startswith("images="))]
    if unfit := next((text for text in named if not fits_table(text)), None):
        raise ConfigError(f"{unfit!a} {RENAME}")
    if "${" in here:  # Hydra would take it for the name of a setting
        raise ConfigError(f"{here}: change to a folder that has no ${{ in its name")


def take_plugins(words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the words without `plugins=`, and what it names: modules, or full paths of files.

    >>> take_plugins(["run=x", "plugins=my_methods,my_data"])
    (['run=x'], ('my_methods', 'my_data'))
    """
    given = [as_list(word, "plugins", True) for word in words if word.startswith("plugins=")]
    values = [each.value() or [] for each in OverridesParser.create().parse_overrides(given)]
    names = [str(name) for value in values for name in value]  # type: ignore[union-attr]
    found = [str(Path(n).expanduser().absolute()) if n.endswith(".py") else n for n in names if n]
    return [word for word in words if not word.startswith("plugins=")], tuple(found)


def hydra_words(verb: str, words: Sequence[str]) -> list[str]:
    """Return the words that Hydra is to read for those that were typed.

    Raises ConfigError for a `sweep=` without a file.
    """
    words = name_tests_of_run(words)
    keys = dict(typed_keys(SCHEMAS[verb])) | OF_HYDRA
    sweeps = any(word in FLAGS for word in words)
    words = [as_it_is_meant(word, keys, sweeps) for word in words]
    # Hydra fails on the word for nothing in a list of defaults, and it is what stands there.
    words = [word for word in words if word != "experiment=null"]
    return expand_tests(expand_sweep(words, verb), partial(composed_tests, verb))


def name_tests_of_run(words: Sequence[str]) -> list[str]:
    """Return the words with the tests of the run that `resume=` names, where a word places one.

    Without `test=` there would be no test whose dataset.root could be given.
    """
    runs = [word.removeprefix("resume=") for word in words if word.startswith("resume=")]
    places = any(word.lstrip("+").startswith("test.") for word in words)
    if not runs or not places or any(word.startswith("test=") for word in words):
        return list(words)
    from fewshot_fer.runs.config_file import read_run_settings  # imports torch

    tests = read_run_settings(Path(runs[-1].strip("'\"")).expanduser()).test
    return [f"test={','.join(tests)}", *words] if tests else list(words)


def expand_sweep(words: Sequence[str], verb: str = "train") -> list[str]:
    """Return the words with what a file in conf/sweep/ says in the place of `sweep=NAME`.

    A key that the command line gives itself is left as it is there, and hydra.mode=MULTIRUN becomes
    the -m that it means. Raises ConfigError for a name without a file.
    """
    words = ["-m" if word == "hydra.mode=MULTIRUN" else word for word in words]
    content = sweep_file(words)
    others = [word for word in words if not word.startswith("sweep=")]
    if not content:
        return others
    added = sweep_words(content, others, verb)
    flags = [] if any(word in FLAGS for word in others) else ["-m"]
    return [*flags, *tests_as_list(content, others), *added]


def expand_tests(
    words: Sequence[str], tests_of: Callable[[list[str]], list[str]] = lambda _: []
) -> list[str]:
    """Return the words with the short forms of `test`, and of `methods`, written out.

    `tests_of` gives the tests of an experiment, for a command line that names none itself.

    >>> expand_tests(["run=x", "test=a,b", "test.n_way=3"])
    ['run=x', 'test=[a,b]', 'test.a.n_way=3', 'test.b.n_way=3']
    """
    flags = [word for word in words if word in FLAGS]  # argparse wants them first
    given = [word.removeprefix("test=") for word in words if word.startswith("test=")]
    short = {word: found for word in words if (found := SHORT.fullmatch(word))}
    if given:
        names = [name.strip() for name in given[-1].strip("[]").split(",")]
        names = [name for name in names if name not in ("", "null")]
    else:
        names = tests_of([w for w in words if w.startswith("experiment=")]) if short else []
    expanded = list(flags)
    for word in words:
        if word.startswith("test=") and "[" not in word and names and not flags:
            expanded.append(f"test=[{','.join(names)}]")
        elif word.startswith("methods="):  # test only: a list too or, in a sweep, one after another
            expanded.append(_each_a_list(word) if flags else as_list(word, "methods"))
        elif word in short and names:
            plus, field = short[word].groups()
            expanded += [f"{plus}test.{name}.{field}" for name in names]
        elif word not in flags:
            expanded.append(word)
    return expanded


def _each_a_list(word: str) -> str:
    """Return methods=a,b of a sweep as two lists of one; lists stay as they are.

    >>> _each_a_list("methods=tim,all"), _each_a_list("methods=[tim,ptmap],[all]")
    ('methods=[tim],[all]', 'methods=[tim,ptmap],[all]')
    """
    key, _, names = word.partition("=")
    if "[" in names or names in ("", "null"):
        return word
    return f"{key}={','.join(f'[{name}]' for name in names.split(','))}"


def composed_tests(verb: str, words: list[str]) -> list[str]:
    """Return the names of the tests that these words lead to, none if they do not compose."""
    try:
        return list(map(str, compose(verb, words).test))
    except (HydraException, OmegaConfBaseException):
        return []  # the same line goes to Hydra next, and is refused there
