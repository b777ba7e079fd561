"""The manual is complete: each key has a row, each public name an entry, each page a place."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import configuration_page
import manual_docstrings
import pytest
import torch
import yaml

import fewshot_fer
from fewshot_fer.config.config_source import SCHEMAS

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
ALSO = {"check": ("train", "check")}  # the sections that hold a verb's keys, where not its own


def keys_of(schema: type, prefix: str = "") -> Iterator[str]:
    """Yield every key that a command line can set, those of one test as test.NAME.key."""
    for each in fields(schema):
        kind = get_type_hints(schema)[each.name]
        inner = next((arg for arg in get_args(kind) if is_dataclass(arg)), None)
        if is_dataclass(kind):
            yield from keys_of(kind, f"{prefix}{each.name}.")
        elif isinstance(inner, type):
            yield from keys_of(inner, f"{prefix}{each.name}.NAME.")
        else:
            yield f"{prefix}{each.name}"


@pytest.mark.parametrize("verb", SCHEMAS)
def test_every_key_of_a_verb_is_in_the_reference(verb: str) -> None:
    """With a type, a default and a meaning, and nothing there that is no key."""
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    names = ALSO.get(verb, (verb,))
    section = "".join(page.split(f"\n## {name}\n")[1].split("\n## ")[0] for name in names)
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| (.+?) \| (.*) \|$", section, re.M)
    assert sorted(row[0] for row in rows) == sorted(keys_of(SCHEMAS[verb]))
    assert [row[0] for row in rows if not all(cell.strip() for cell in row)] == []


def test_the_reference_is_as_the_source() -> None:
    """`python scripts/configuration_page.py` writes what is there."""
    written = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert written == configuration_page.page()


def test_every_public_name_has_an_entry() -> None:
    page = (DOCS / "python_api.md").read_text(encoding="utf-8")
    entries = re.findall(r"^::: fewshot_fer\.(?:api\.(?:training|verbs)\.)?(\w+)$", page, re.M)
    assert sorted(entries) == sorted(fewshot_fer.__all__)


def test_docstrings_become_markdown() -> None:
    """`<class>` would vanish as HTML, and a doctest would become three nested quotations."""
    first = ">>> f(1)  # doctest: +SKIP"
    text = f"Read root/<class>/ of `a<b`.\n\n{first}\n2\n>>> g()\n3\n\nThen the rest."
    made = manual_docstrings.as_markdown(text)
    assert "root/&lt;class>/" in made
    assert "```pycon\n>>> f(1)\n2\n>>> g()\n3\n```" in made
    assert made.endswith("Then the rest.")


def test_every_page_is_in_the_navigation() -> None:
    """A page that nothing leads to is not found; mkdocs says so too, where it is installed."""
    text = (CHECKOUT / ".mkdocs.yml").read_text(encoding="utf-8").replace("!relative", "")
    nav = yaml.safe_load(text)["nav"]
    named = set(re.findall(r"[\w/]+\.md", str(nav)))
    assert named == {file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md")}


def test_versions_agree() -> None:
    """The one that is cited, and the newest in the changelog, which has a heading a release."""
    cited = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    headings = re.findall(
        r"^## (\d+\.\d+\.\d+) \((?:unreleased|\d{4}-\d\d-\d\d)\)$",
        (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8"),
        re.M,
    )
    assert headings[0] == cited == fewshot_fer.__version__


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_drawings_are_small() -> None:
    for file in (DOCS / "pictures").iterdir():
        assert file.stat().st_size < 60_000, file.name


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
def test_the_readmes_python_runs(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the shapes that its comments name. As it stands, with more faces, .ci/run runs it."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S)
    assert "scale=0.1" in lines
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(cache))
    names: dict[str, torch.Tensor] = {}
    exec(lines.replace("scale=0.1", "scale=0.02"), names)
    assert names["z"].ndim == 2
    assert names["logits"].shape == (600, 4, 4)
    assert "4-way 5-shot" in capsys.readouterr().out
