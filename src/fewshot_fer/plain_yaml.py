"""The text of a YAML file that may come from a stranger, refused where it could not be harmless."""

from pathlib import Path

import yaml

LARGEST = 1_000_000  # bytes; the longest configuration of a run has some ten thousand
DEEPEST = 50  # levels, where that configuration has six
OPENING = (
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
)
CLOSING = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def read_yaml_text(path: Path) -> str:
    """Return the text, for a parser that builds plain values alone.

    Raises OSError, UnicodeDecodeError or yaml.YAMLError, and ValueError where the file is too large
    or too deep, or repeats a part of itself: a few lines of `*a` can stand for more than any memory
    holds.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST:,} bytes")
    text, depth = path.read_text(encoding="utf-8-sig"), 0
    for token in yaml.scan(text):  # token by token, so that it ends where a limit is met
        line = token.start_mark.line + 1
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if depth > DEEPEST:
            raise ValueError(f"line {line} lies more than {DEEPEST} levels deep")
        if isinstance(token, yaml.AliasToken):
            raise ValueError(f"line {line} repeats a part of the file (*)")
    return text
