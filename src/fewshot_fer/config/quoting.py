"""Text on a command line: quoted for Hydra's grammar, for OmegaConf's `${...}`, and for the shell.

Whatever is printed to be typed again comes from `pasteable` or `command_line`.
"""

import re
import shlex
from pathlib import Path
from typing import Annotated

PathText = Annotated[str, "path"]
"""A setting that names a file or folder: typed as text, whatever letters it has."""
NewPath = Annotated[str, "new path"]
"""The same where something is written: one place, so that a comma never separates two."""

PLAIN = re.compile(r"[A-Za-z/_][\w./-]*", re.ASCII)
WORDS = ("null", "true", "false", "nan", "inf")  # in any case: no text, where they stand alone
SPECIAL = re.compile(r"""^null$|^[\[\s'"]|\$\{|[\s'"]$""")
"""In a path: what its key takes for more than text, unless it stands in Hydra's quotes."""


def literal(text: str) -> str:
    r"""Return text as OmegaConf takes it for itself: no `${` in it names another setting.

    >>> print(literal("a${b}"))
    a\${b}
    """
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", text)


def in_quotes(text: str) -> str:
    r"""Return text in Hydra's quotes, where a backslash counts only in front of a quote.

    >>> print(in_quotes("it's"))
    'it\'s'
    """
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)\Z", r"\1\1", escaped) + "'"


def without_quotes(value: str) -> str:
    """Return the text that `in_quotes` was given, any other value as it is."""
    if len(value) < 2 or not (value[0] == value[-1] == "'"):
        return value
    text = value[1:-1]
    return re.sub(r"(\\+)('|\Z)", lambda found: found[1][: len(found[1]) // 2] + found[2], text)


def quoted(value: object) -> str:
    r"""Return a value as Hydra's grammar of overrides wants it.

    >>> quoted(None), quoted(True), quoted([1, "a b"]), quoted("it's"), quoted("1e5")
    ('null', 'true', "[1,'a b']", "'it\\'s'", "'1e5'")
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(map(quoted, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(k)}:{quoted(v)}" for k, v in value.items()) + "}"
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return in_quotes(literal(text))


def pasteable(key: str, value: object) -> str:
    """Return key=value as one word of a shell, which leads to that very value.

    The command line takes a path as text, so that few need Hydra's quotes besides.

    >>> pasteable("run", Path("my runs/1")), pasteable("n_way", 5)
    ("'run=my runs/1'", 'n_way=5')
    """
    if isinstance(value, Path):  # what begins with ~ would be somebody's home
        value = str(value.absolute() if str(value).startswith("~") else value)
        return shlex.quote(f"{key}={quoted(value) if SPECIAL.search(value) else value}")
    return shlex.quote(f"{key}={quoted(value)}")


def command_line(verb: str, **settings: object) -> str:
    """Return `python -m fewshot_fer.VERB key=value ...`, to be pasted into a shell."""
    words = [pasteable(key, value) for key, value in settings.items()]
    return " ".join(["python", "-m", f"fewshot_fer.{verb}", *words])
