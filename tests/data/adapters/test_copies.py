"""Copies of data sets in the wild: other letters, orders and files, other folders around them."""

from pathlib import Path

import pytest
from conftest import Command, write_afew
from hypothesis import HealthCheck, given, settings
from layouts import Copy, copies, facts, nested, read, write_layout

from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.system.errors import DataError

NAMES = ("ckplus", "jaffe", "kdef", "kdef_all", "oulu_casia", "rafce", "sfew")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each data set's layout, each in a folder of its own."""
    written = {}
    for name in NAMES:
        data = tmp_path_factory.mktemp(name)
        if name == "sfew":
            write_afew(data / "AFEW", n_clips=2, n_frames=2)
        written[name] = write_layout(name, data, people=2)
    return written


@pytest.mark.parametrize("name", [name for name in NAMES if name != "kdef_all"])
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(copy=copies)
def test_any_copy_gives_the_same_table(
    name: str,
    copy: Copy,
    layouts: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Case of names, order of files and of lines, and files beside them change nothing."""
    expected = facts(read(name, layouts[name].parent), layouts[name])
    target = tmp_path_factory.mktemp("copy")
    table = read(name, copy.write(layouts[name], target))
    home = next(path for path in target.iterdir() if path.is_dir())
    assert facts(table, home) == expected


@pytest.mark.parametrize("name", NAMES)
def test_any_folder_around_it(name: str, layouts: dict[str, Path], tmp_path: Path) -> None:
    """Its own folder may be given, under any name too, or may lie in one of the same name."""
    expected = facts(read(name, layouts[name].parent), layouts[name])
    plain = Copy(str, 0, [])
    assert facts(read(name, layouts[name]), layouts[name]) == expected
    home = plain.write(layouts[name], tmp_path / "twice") / layouts[name].name
    nested(home)
    assert facts(read(name, home.parent), home / home.name) == expected
    other = (plain.write(layouts[name], tmp_path / "other") / home.name).rename(tmp_path / "my own")
    assert facts(read(name, other), other) == expected


@pytest.mark.parametrize("name", NAMES)
def test_layouts_are_told_apart(name: str, layouts: dict[str, Path]) -> None:
    """No layout is taken for another data set's, and the refusal is one line that says what was
    expected and found."""
    for other, folder in layouts.items():
        same = find_adapter(other).home == find_adapter(name).home
        if not same:
            with pytest.raises(DataError, match=f"{name} not found in .*expected .*found") as error:
                read(name, folder)
            assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [n for n in NAMES if "all" in find_adapter(n).counts])
def test_published_counts_are_of_the_classes_there(name: str, layouts: dict[str, Path]) -> None:
    """A class that was misspelled in the counts would be missing in every copy."""
    labels = set(read(name, layouts[name])["label"])
    assert set(find_adapter(name).counts["all"]) <= labels


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_episodes_are_drawn_from_the_smallest_drawn_set(
    name: str, command: Command, demo: Path
) -> None:
    """A line can be tried before the data come: support and query find other people, or films."""
    assert demo.is_dir()
    shape = ("train.k_shot=1", "train.n_query=1", f"eval={name}_5w5s")
    outcome = command("check", "paths=demo", "demo.scale=0.02", f"dataset={name}", *shape)
    assert "5-way 5-shot 1-query" in outcome.out, outcome.err
    assert "cannot be drawn" not in outcome.out
