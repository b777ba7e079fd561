"""What the docstrings of the package and of its scripts show comes out as they show it."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ROOTS = (CHECKOUT / "src", CHECKOUT / "scripts")
EXAMPLES = [
    ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    for root in ROOTS
    for file in sorted(root.rglob("*.py"))
    if re.search(r"^ *>>> ", file.read_text(encoding="utf-8"), re.M)
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_in_docstrings_hold(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0
