"""Drawing the set: the same bytes from the same seed, whole or not at all, clear refusals."""

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fewshot_fer.data.demo import ensure_demo, writer
from fewshot_fer.data.demo.plan import (
    FOLDERS,
    Shot,
    count_basic,
    count_clips,
    count_compound,
    plan_shots,
)
from fewshot_fer.data.demo.writer import Drawn, draw_shot, draw_shots
from fewshot_fer.data.labels import BASIC, COMPOUND
from fewshot_fer.system.errors import ConfigError, DataError


def a_few(scale: float, seed: int) -> list[Shot]:
    """Some shots of every part, a clip with a lost face included."""
    shots = plan_shots(scale, seed)
    lost = next(shot for shot in shots if any("noface" in path for path in shot.paths))
    return [*shots[:3], *[shot for shot in shots if shot.dataset == "rafdb_compound"][:2], lost]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shown(cache: Path) -> list[str]:
    """The sets that a reader of this cache would find; locks and half sets are not among them."""
    return [
        path.name
        for path in cache.iterdir()
        if path.name != "locks" and not path.name.startswith(".")
    ]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "plan_shots", a_few)


@pytest.mark.usefixtures("few")
def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """Protects published numbers: one seed is one data set, another seed is another one."""
    first, again = ensure_demo(tmp_path / "a", 0.02), ensure_demo(tmp_path / "b", 0.02)
    other = ensure_demo(tmp_path / "a", 0.02, seed=1)
    assert contents(first) == contents(again)
    shared = contents(first).keys() & contents(other).keys()
    pictures = [path for path in shared if path.endswith(".jpg")]
    assert len(pictures) >= 5
    assert all(contents(first)[path] != contents(other)[path] for path in pictures)


@pytest.mark.usefixtures("few")
@pytest.mark.slow
def test_a_script_without_a_main_guard_draws(tmp_path: Path) -> None:
    """Each process that draws runs it again, and must not wait for the lock that it holds."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from fewshot_fer.data.demo import ensure_demo\n"
        f"print(ensure_demo(Path({str(tmp_path)!r}), scale=0.05))\n"  # enough for two processes
    )
    subprocess.run([sys.executable, script], check=True, timeout=300, capture_output=True)
    assert len(list(tmp_path.rglob("*.jpg"))) > 200


@pytest.mark.slow
def test_number_of_processes_does_not_matter() -> None:
    """Protects reproducibility between machines with other numbers of cores."""
    shots = plan_shots(0.02, 0)[::8]
    alone, together = (list(draw_shots(shots, 0, processes)) for processes in (1, 2))
    assert len(alone) > 20
    assert together == alone


def test_order_of_drawing_does_not_matter() -> None:
    """Protects the promise that a picture is a function of its own seed alone."""
    shots = a_few(0.02, 0)
    forward = [draw_shot(shot, 0) for shot in shots]
    backward = [draw_shot(shot, 0) for shot in reversed(shots)]
    assert forward == backward[::-1]


def test_scale_sets_the_counts_in_the_real_proportions() -> None:
    """Protects the class imbalance of RAF-DB, and enough images for the default experiment."""
    basic = {label: count_basic("train", label, 1) for label in BASIC}
    assert sorted(basic, key=basic.__getitem__)[0] == "fear"
    assert max(basic, key=basic.__getitem__) == "happiness"
    assert sum(basic.values()) + sum(count_basic("test", label, 1) for label in BASIC) >= 2400
    assert sum(sum(count_compound(label, 1).values()) for label in COMPOUND) >= 1000
    assert min(count_clips("train", label, 1) for label in FOLDERS) >= 14
    assert min(count_clips("val", label, 1) for label in FOLDERS) >= 9
    assert min(count_basic("train", label, 0.001) for label in BASIC) == 12
    assert max(sum(count_basic("test", label, 20) for label in BASIC), 0) <= 9999


def test_a_second_call_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects start-up time: a set that is there is used as it is."""
    root = tmp_path / "demo-v1-scale1-seed0"
    root.mkdir()
    monkeypatch.setattr(writer, "write_demo", None)
    assert ensure_demo(tmp_path) == root


@pytest.mark.usefixtures("few")
def test_interrupted_drawing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects against half a set that a later run would take for whole."""

    def interrupted(shot: Shot, seed: int) -> list[Drawn]:
        if shot.dataset == "rafdb_compound":
            raise KeyboardInterrupt
        return draw_shot(shot, seed)

    monkeypatch.setattr(writer, "draw_shot", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure_demo(tmp_path, 0.02)
    assert shown(tmp_path) == []
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("few")
def test_folder_appears_only_when_all_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects readers that look while another process draws: even a killed one shows no set."""
    seen = []

    def watching(shot: Shot, seed: int) -> list[Drawn]:
        seen.append(shown(tmp_path))
        return draw_shot(shot, seed)

    monkeypatch.setattr(writer, "draw_shot", watching)
    root = ensure_demo(tmp_path, 0.02)
    assert seen
    assert not any(seen)
    assert shown(tmp_path) == [root.name]


@pytest.mark.usefixtures("few")
def test_loser_of_a_race_takes_the_winners_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects two runs that start at once on an empty cache."""
    root = tmp_path / "demo-v1-scale0.02-seed0"

    def overtaken(shots: list[Shot], seed: int, processes: int | None) -> Iterator[Drawn]:
        root.mkdir()
        (root / "winner").write_text("first")
        return iter([drawn for shot in shots for drawn in draw_shot(shot, seed)])

    monkeypatch.setattr(writer, "draw_shots", overtaken)
    assert ensure_demo(tmp_path, 0.02) == root
    assert [path.name for path in root.iterdir()] == ["winner"]
    assert shown(tmp_path) == [root.name]


def test_a_bad_scale_or_seed_names_the_key(tmp_path: Path) -> None:
    """Protects the user from an hour of drawing, and from numpy's own error about entropy."""
    for scale in (0.0, -1.0, 20.5, math.inf, math.nan):
        with pytest.raises(ConfigError, match=r"demo\.scale"):
            ensure_demo(tmp_path, scale)
    with pytest.raises(ConfigError, match=r"demo\.seed"):
        ensure_demo(tmp_path, 1.0, -1)


def test_unwritable_cache_names_folder_and_variable(tmp_path: Path) -> None:
    """Protects users of read-only homes: the message says what to set."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(DataError, match=r"file.*FEWSHOT_FER_CACHE"):
        ensure_demo(blocked, 0.02)
