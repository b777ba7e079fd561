"""Make docstrings of this package, which are plain text, Markdown for the manual's Python page."""

import re

import griffe

DOCTEST = re.compile(r"(?:^>>>.*\n?(?:^(?!>>>|\s*$).*\n?)*)+", re.M)
UNTESTED = "  # doctest: +SKIP"


class PlainDocstrings(griffe.Extension):
    """Escapes `<class>`, which Markdown would take for HTML, and fences doctests."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rewrite the docstring of a function, class or property when it has been read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    r"""Return a plain docstring as Markdown.

    >>> as_markdown("Read <class>/.\n\n>>> 1 + 1\n2\n")
    'Read &lt;class>/.\n\n```pycon\n>>> 1 + 1\n2\n```\n'
    """
    parts, end = [], 0
    for found in DOCTEST.finditer(text):
        parts.append(text[end : found.start()].replace("<", "&lt;"))
        lines = found[0].rstrip().replace(UNTESTED, "")
        parts.append(f"```pycon\n{lines}\n```\n")
        end = found.end()
    return "".join([*parts, text[end:].replace("<", "&lt;")])
