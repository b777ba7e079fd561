"""Put the values of paths and lists, as they were typed, into quotes for Hydra's grammar."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from os.path import abspath, expanduser, lexists
from typing import Any, get_args, get_origin, get_type_hints

from fewshot_fer.config.config_source import SCHEMAS
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


def as_it_is_meant(word: str, keys: Mapping[str, Any], sweeps: bool) -> str:
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
