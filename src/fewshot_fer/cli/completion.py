"""Complete a command line in a shell: verbs, names of groups (dataset=ra...), keys of settings."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from typing import get_type_hints

from fewshot_fer.config.conf_files import conf_dir, conf_names
from fewshot_fer.config.config_source import SCHEMAS

BASH = """\
_fewshot_fer() {
    local IFS=$'\\n'
    COMPREPLY=($("${COMP_WORDS[0]}" complete "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    case ${COMPREPLY[0]} in *=|*.) compopt -o nospace ;; esac
}
complete -o default -F _fewshot_fer fewshot-fer
"""
"""Of bash, and of zsh after `autoload -U bashcompinit; bashcompinit`. Where nothing is found, as
behind run=, the shell completes names of files."""
SHELLS = ("bash", "zsh")


def main(what: str, words: Sequence[str]) -> None:
    """Print the code of a shell (`completion bash`), or what may stand at the end of a line."""
    if what == "complete":
        print("\n".join(candidates(" ".join(words))))
    elif list(words) in [[shell] for shell in SHELLS]:
        print(BASH, end="")
    else:
        print(f"error: type fewshot-fer completion {' or '.join(SHELLS)}", file=sys.stderr)
        sys.exit(2)


def candidates(line: str) -> list[str]:
    """Return what may stand in the place of the last word of a line, up to where the cursor is.

    As bash takes words, the part behind `=` alone.

    >>> candidates("fewshot-fer pre"), candidates("fewshot-fer train dataset=rafdb_b")
    (['predict', 'prepare'], ['rafdb_basic'])
    """
    *before, word = line.split(" ")
    before = [each for each in before[1:] if each]
    if not before:
        return sorted(verb for verb in SCHEMAS if verb.startswith(word))
    schema = SCHEMAS.get(before[0].replace("-", "_"))
    if schema is None:
        return []
    key, equals, value = word.partition("=")
    if equals:
        return _values(key, value)
    known = [*_keys(schema, word), *(f"{group}=" for group in _groups(schema))]
    return sorted({name for name in known if name.startswith(word)})


def _values(group: str, value: str) -> list[str]:
    """Return the names of a group that go on as the last one of a list does."""
    if not (conf_dir() / group).is_dir() and group != "test":
        return []
    first, comma, last = value.rpartition(",")
    return [f"{first}{comma}{name}" for name in conf_names(group) if name.startswith(last)]


def _groups(schema: type) -> list[str]:
    """Return the groups of conf/ that a verb takes."""
    names = get_type_hints(schema)
    folders = [path.name for path in conf_dir().iterdir() if path.is_dir()]
    taken = [name for name in (*folders, "test") if name in names]
    return [*taken, *(["experiment"] if "train" in names else []), *(["sweep"] if taken else [])]


def _keys(schema: type, word: str, above: str = "") -> Iterator[str]:
    """Yield keys of settings; of those that hold others, the others once their dot is typed."""
    for name, kind in get_type_hints(schema).items():
        key = f"{above}{name}"
        if not (isinstance(kind, type) and is_dataclass(kind)):
            yield f"{key}="
        elif word.startswith(f"{key}."):
            yield from _keys(kind, word, f"{key}.")
        else:
            yield f"{key}."
