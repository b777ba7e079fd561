"""Words of the command line that Hydra's grammar would take for something else.

`images=a.jpg,b.jpg` means two pictures, not a sweep, and a path may hold spaces, brackets or Korean
letters. Such words are put in the quotes and brackets that Hydra asks for.
"""

import re

ITEM = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,]*""")
"""An item of key=a,b: in quotes, where it holds a comma, or up to the next comma."""


def as_list(word: str, key: str) -> str:
    """Write key=a,b as the list that it means; any other word stays as it is.

    >>> as_list("compare=outputs/a,outputs/b", "compare")
    "compare=['outputs/a','outputs/b']"
    """
    items = word.removeprefix(f"{key}=")
    if items in (word, "", "null") or items.startswith("["):
        return word
    return f"{key}=[{','.join(map(_quoted, _items(items)))}]"


def as_text(word: str, key: str) -> str:
    """Write key=path in quotes, whatever letters the path has; any other word stays as it is.

    A path with a comma is left alone too: after -m it is a sweep.

    >>> as_text("support=my faces (new)", "support")
    "support='my faces (new)'"
    """
    text = word.removeprefix(f"{key}=")
    if text in (word, "", "null") or text.startswith("${") or "," in text:
        return word
    return f"{key}={_quoted(text)}"


def _items(items: str) -> list[str]:
    found, place = [], 0
    while place <= len(items):
        item = ITEM.match(items, place)
        assert item is not None  # the pattern also matches nothing
        found.append(item[0])
        place = item.end() + 1  # past the comma
    return found


def _quoted(item: str) -> str:
    """Return an item in quotes. In Hydra's, a backslash counts only in front of a quote."""
    if len(item) > 1 and item[0] == item[-1] and item[0] in "'\"":
        return item
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", item)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"
