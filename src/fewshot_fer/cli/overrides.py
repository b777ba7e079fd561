"""Rewrite the arguments of a command, key=value, into the overrides that Hydra reads.

`images=a.jpg,b.jpg` means two pictures, not a sweep, and a path may hold spaces, brackets or Korean
letters; `test=a,b` is a list unless -m is given, `test.n_way=5` is for every test that is named,
and `sweep=NAME` stands for the words in conf/sweep/NAME.yaml.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from os.path import abspath, expanduser, lexists
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli.sweep import FLAGS
from fewshot_fer.config.hydra import SCHEMAS, compose
from fewshot_fer.config.names import conf_dir, conf_names
from fewshot_fer.config.quoting import NewPath, PathText, in_quotes, literal
from fewshot_fer.config.schema import EvalConfig
from fewshot_fer.system.errors import ConfigError

OF_HYDRA = {"hydra.run.dir": NewPath, "hydra.sweep.dir": NewPath, "hydra.sweep.subdir": NewPath}
RESULTS = ("outputs", "paths.outputs", *OF_HYDRA)
"""Folders that Hydra makes, which takes no `${` in their names."""
WORD = re.compile(r"(\+{0,2})([^=]*)=(.*)", re.S)
QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'(?=,|$)|"(?:\\.|[^"\\])*"(?=,|$)""", re.S)
"""An item of key=a,b in Hydra's quotes, where it may hold a comma."""
TAKEN = (PathText, NewPath, list[PathText], list[str])
SETTINGS = sorted({each.name for schema in SCHEMAS.values() for each in fields(schema)})
MEANT = re.compile(
    rf"\$\{{(?:oc\.[\w.]+:|hydra[:.]|run_id:|(?:outputs|run)\}}|(?:{'|'.join(SETTINGS)})\.)"
)
"""What `${` begins with where the value of another setting, or of a resolver, is meant."""
CHOICE = re.compile(r"(choice|glob|shuffle|sort|tag)\(.*\)", re.S)
"""A function of Hydra's, which gives a sweep its values."""
SHORT = re.compile(
    rf"(\+{{0,2}})test\.((?:{'|'.join(each.name for each in fields(EvalConfig))})[.=].*)", re.S
)
"""test.n_way=5, a field of every test, as against test.afew_4w5s.n_way=5, a field of one."""


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
    words = [_as_it_is_meant(word, keys, sweeps) for word in words]
    # Hydra fails on the word for nothing in a list of defaults, and it is what stands there.
    words = [word for word in words if word != "experiment=null"]
    return expand_tests(expand_sweep(words), partial(composed_tests, verb))


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


def typed_keys(schema: type, above: str = "") -> Iterator[tuple[str, object]]:
    """Yield each key of a dataclass that is taken as text or as a list, with the type that it has.

    `test.dataset.root`, of all tests, stands beside `test.*.dataset.root`, of one.
    """
    for name, kind in get_type_hints(schema, include_extras=True).items():
        kinds = [each for each in (kind, *get_args(kind)) if each is not type(None)]
        if isinstance(kind, type) and is_dataclass(kind):
            yield from typed_keys(kind, f"{above}{name}.")
        elif EvalConfig in kinds:  # a mapping
            yield from typed_keys(EvalConfig, f"{above}{name}.")
            yield from typed_keys(EvalConfig, f"{above}{name}.*.")
        elif get_origin(kind) is dict:
            yield f"{above}{name}.*", get_args(kind)[1]
        elif found := next((each for each in kinds if each in TAKEN), None):
            yield f"{above}{name}", found


def _as_it_is_meant(word: str, keys: Mapping[str, Any], sweeps: bool) -> str:
    """Return a word with its value in quotes where its key holds a path, or several words."""
    found = WORD.fullmatch(word)
    if found is None:
        return word
    plus, key, text = found.groups()
    of_any = re.sub(r"^test\.[^.]+\.", "test.*.", key)
    names = (key, of_any, re.sub(r"[^.]+$", "*", of_any))
    kind = next((keys[name] for name in names if name in keys), None)
    if kind is None or key == "methods":
        return word
    if get_origin(kind) is list:
        return plus + as_list(f"{key}={text}", key, kind == list[PathText])
    return plus + as_text(f"{key}={text}", key, sweeps and kind != NewPath)


def as_list(word: str, key: str, of_paths: bool = False) -> str:
    """Return key=a,b as the list that it means; any other word as it is.

    >>> as_list("compare=outputs/a,outputs/b", "compare")
    "compare=['outputs/a','outputs/b']"
    """
    items = word.removeprefix(f"{key}=")
    if items in (word, "", "null", "[]"):
        return word
    if items[0] == "[" and items[-1] == "]" and not lexists(items):
        items = items[1:-1]
    return f"{key}=[{','.join(_items(items, of_paths))}]"


def as_text(word: str, key: str, sweeps: bool = False) -> str:
    """Return key=path in quotes, whatever letters the path has; any other word as it is.

    Among the words of a sweep a comma separates two paths, unless a file or folder has the whole
    text for its name. `${` is a part of the name too, unless a setting or a resolver of Hydra
    follows; then, and in quotes of Hydra's, the value is what Hydra makes of it.

    >>> as_text("support=my faces (new)", "support")
    "support='my faces (new)'"
    """
    text = word.removeprefix(f"{key}=")
    if text in (word, "", "null"):
        return word
    if sweeps:
        if CHOICE.fullmatch(text):
            return word
        return f"{key}={','.join(_items(text, of_paths=True))}"
    if key in RESULTS and "${" in text and not MEANT.search(text):
        raise ConfigError(f"{key}={text}: a folder for results can have no ${{ in its name")
    return f"{key}={_quoted(text, is_path=True)}"


def _items(text: str, of_paths: bool) -> list[str]:
    """Return the items of a,b, each in quotes; no name of a file that is there is split."""
    items, place = [], 0
    while place <= len(text):
        ends = [end.start() for end in re.finditer(r",|\Z", text) if end.start() >= place]
        item = text[place : ends[0]]
        if found := QUOTED.match(text, place):
            item = found[0]
        elif of_paths and not lexists(item):
            longer = (text[place:end] for end in reversed(ends))
            item = next((name for name in longer if lexists(name)), item)
        items.append(_quoted(item if lexists(item) else item.strip(), of_paths))
        place += len(item) + 1  # past the comma
    return items


def _quoted(item: str, is_path: bool) -> str:
    """Return an item in quotes of Hydra's, unless it stands in quotes already."""
    if QUOTED.fullmatch(item) and not (is_path and lexists(item)):
        return item
    # Path.expanduser raises an error where no user is called that; it is a name which begins so.
    if is_path and item[:1] == "~" and (lexists(item) or expanduser(item) == item):  # noqa: PTH111
        item = abspath(item)  # noqa: PTH100 - a Path would drop the ./ in front of it
    return in_quotes(item if MEANT.search(item) and not lexists(item) else literal(item))


def expand_sweep(words: Sequence[str]) -> list[str]:
    """Return the words with what a file in conf/sweep/ says in the place of `sweep=NAME`.

    A key that the command line gives itself is left as it is there, and hydra.mode=MULTIRUN becomes
    the -m that it means. Raises ConfigError for a name without a file.
    """
    words = ["-m" if word == "hydra.mode=MULTIRUN" else word for word in words]
    named = [word.removeprefix("sweep=") for word in words if word.startswith("sweep=")]
    others = [word for word in words if not word.startswith("sweep=")]
    if not named or named[-1] in ("", "null"):
        return others
    names = conf_names("sweep")
    if named[-1] not in names:
        raise ConfigError(f"sweep={named[-1]} is not known: choose one of {', '.join(names)}")
    given = {word.lstrip("+~").split("=", 1)[0] for word in others}
    file = conf_dir() / "sweep" / f"{named[-1]}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    added = [f"{key}={values}" for key, values in content.items() if key not in given]
    flags = [] if any(word in FLAGS for word in others) else ["-m"]
    return [*flags, *others, *added]


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
