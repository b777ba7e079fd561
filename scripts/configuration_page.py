"""Write docs/configuration.md: every key of every verb with type, default and meaning.

python scripts/configuration_page.py

Types are those of the dataclasses, defaults those of conf/, meanings the comments in both.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import yaml
from omegaconf import OmegaConf

from fewshot_fer.config.conf_files import conf_dir, conf_names, shown_names
from fewshot_fer.config.config_source import SCHEMAS
from fewshot_fer.config.hydra import compose
from fewshot_fer.config.quoting import NewPath
from fewshot_fer.config.schema import EvalConfig

PAGE = Path(__file__).resolve().parents[1] / "docs/configuration.md"
HEAD = """\
# Configuration

Made from the source by `python scripts/configuration_page.py`: every key of every verb, and every
file that can be chosen. A command is `python -m fewshot_fer.VERB key=value ...`, or
`fewshot-fer VERB key=value ...`; with `--help` behind it, it shows the same keys and their values.

- `dataset=afew` chooses a file, `dataset.split=val` sets one key.
- `key=null` is nothing, `key=[a,b]` a list; paths and lists of paths need no brackets.
- After `-m` a comma separates the runs of a sweep: `train.k_shot=1,5`.
- A key that does not exist, a value of the wrong type or out of range, and values that contradict
  one another are refused in one line, before anything is read.

"required" means that a value must be given. Defaults are those of the verb without any words. What
other choices bring stands in [What can be chosen](#what-can-be-chosen).
"""
CHOICES = """\
## What can be chosen

Of each group, `group=name` takes one file of `conf/`. `test=` takes the names of `eval=`, several
with commas.
"""
GROUPS = ("dataset", "eval", "backbone", "method", "train", "paths", "experiment", "sweep")
ALIKE = {"check": "train"}  # verbs that read the keys of another one too
NAMES = {str: "text", int: "integer", float: "number", bool: "true or false"}
COMMENT = re.compile(r"(?:^|\s)#\s*(.*)$")


@dataclass(frozen=True)
class Key:
    """One key of a verb, as people type it."""

    name: str
    kind: str
    default: str
    meaning: str


@cache
def keys_of(verb: str) -> list[Key]:
    """Return the keys of a verb, those of one test as test.NAME.key."""
    values = OmegaConf.to_container(compose(verb, []))
    assert isinstance(values, dict)
    return list(_keys(SCHEMAS[verb], "", values, _comments_in_conf(verb)))


def _keys(
    schema: type, prefix: str, values: dict[Any, Any] | None, in_conf: dict[str, str]
) -> Iterator[Key]:
    hints: dict[str, Any] = get_type_hints(schema, include_extras=True)
    meanings = field_comments(schema)
    for each in fields(schema):
        name, hint = f"{prefix}{each.name}", hints[each.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _keys(hint, f"{name}.", values and values[each.name], in_conf)
        elif get_args(hint)[1:] == (EvalConfig,):
            yield from _keys(EvalConfig, f"{name}.NAME.", None, in_conf)
        else:
            meaning = in_conf.get(name) or meanings.get(each.name, "")
            yield Key(name, kind_of(hint), _default(values, each.name), meaning)


def _default(values: dict[str, Any] | None, name: str) -> str:
    """Return a value of a composed configuration as it is typed, or in words."""
    if values is None:
        return "as in its file"
    return "required" if values[name] == "???" else shown(values[name])


def shown(value: Any) -> str:  # noqa: ANN401
    """Return a value as it is typed."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}: {shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    return str(value)


def kind_of(hint: Any) -> str:  # noqa: ANN401
    """Return the type of a key in words.

    >>> kind_of(list[str]), kind_of(float | None)
    ('list of text', 'number or null')
    """
    if get_origin(hint) is Annotated:
        return "new path" if hint is NewPath else "path"
    if get_origin(hint) in (UnionType, Union):
        return " or ".join("null" if each is NoneType else kind_of(each) for each in get_args(hint))
    if get_origin(hint) is list:
        return f"list of {kind_of(get_args(hint)[0])}".replace("path", "paths")
    if get_origin(hint) is dict:
        return f"mapping of text to {kind_of(get_args(hint)[1])}"
    return NAMES[hint]


def field_comments(schema: type) -> dict[str, str]:
    """Return the comment beside each field of a dataclass and of those it inherits from."""
    found: dict[str, str] = {}
    for each in reversed([one for one in schema.__mro__ if is_dataclass(one)]):
        lines = inspect.getsource(each).splitlines()
        for node in ast.parse("\n".join(lines)).body[0].body:  # type: ignore[attr-defined]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                own = lines[node.lineno - 1 : node.end_lineno]
                comments = [comment[1] for line in own if (comment := COMMENT.search(line))]
                found[node.target.id] = " ".join(comments)
    return found


def _comments_in_conf(verb: str) -> dict[str, str]:
    """Return key -> the comment beside it in conf/<verb>.yaml, its second line put behind."""
    found: dict[str, str] = {}
    above: list[str] = []
    name = ""
    for line in (conf_dir() / f"{verb}.yaml").read_text(encoding="utf-8").splitlines():
        comment = COMMENT.search(line)
        text = comment[1] if comment else ""
        key = re.match(r"( *)(\w+):", line)
        if key is not None:
            above = [*above[: len(key[1]) // 2], key[2]]
            name = ".".join(above)
            found[name] = text
        elif comment and line.lstrip().startswith("#") and found.get(name):
            found[name] += f" {text}"
        else:
            name = ""
    return found


def page() -> str:
    """Return docs/configuration.md."""
    parts = [HEAD]
    for verb in SCHEMAS:
        keys, also = keys_of(verb), ""
        if other := ALIKE.get(verb):
            known = {key.name for key in keys_of(other)}
            keys = [key for key in keys if key.name not in known]
            also = f"What `{other}` reads, and:\n\n"
        parts.append(f"## {verb}\n\n{also}{_key_table(keys)}\n")
    parts.append(CHOICES)
    for group in GROUPS:
        parts.append(f"### {group}=\n\n{_choice_table(group)}\n")
    return "\n".join(parts)


def _key_table(keys: list[Key]) -> str:
    rows = [
        f"| `{key.name}` | {key.kind} | {_code(key.default)} | {_cell(key.meaning)} |"
        for key in keys
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def _choice_table(group: str) -> str:
    """Return a row a file: what its first comment says, and what it sets."""
    names = {name for name in conf_names(group) if (conf_dir() / group / f"{name}.yaml").is_file()}
    rows = ["| name | what it is | what it sets |", "|---|---|---|"]
    for name in sorted(names):
        text = (conf_dir() / group / f"{name}.yaml").read_text(encoding="utf-8")
        below = "" if "@package _global_" in text or group == "sweep" else f"{group}."
        sets = " ".join(f"`{pair}`" for pair in _pairs(yaml.safe_load(text) or {}, below))
        rows.append(f"| `{name}` | {_cell(_heading(text))} | {_cell(sets)} |")
    if group == "eval":
        rows.append(f"| {_cell(shown_names('eval')[-1])} | another shape of the same data | |")
    return "\n".join(rows)


def _heading(text: str) -> str:
    """Return the comment at the top of a configuration file."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.lstrip("# "))
    return " ".join(lines)


def _pairs(content: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in content.items():
        if key == "defaults":
            for each in value:
                if isinstance(each, dict):
                    yield from (f"{_group(name)}={shown(chosen)}" for name, chosen in each.items())
        elif isinstance(value, dict):
            yield from _pairs(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={shown(value)}"


def _group(name: str) -> str:
    return str(name).removeprefix("override ").lstrip("/").partition("@")[0]


def _code(text: str) -> str:
    plain = ("required", "as in its file")
    return text if text in plain else f"`{text}`" if text else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
