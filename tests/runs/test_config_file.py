"""The configuration of a run: what it wrote comes back, what a stranger wrote does nothing."""

from pathlib import Path

import pytest
import yaml
from conftest import face_table

from fewshot_fer.config.schema import EpisodesConfig
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.setup import save_drawn
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.system.errors import RunError

REPEATED = "a: &a [x, x]\nb: &b [*a, *a]\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("paths: {data: '${oc.env:HOME}'}\n", r"paths\.data holds a \$\{\.\.\.\}"),
        ('paths: {data: "\\x24{oc.env:HOME}"}\n', r"paths\.data holds a \$"),
        ("test: {x: {dataset: {clips: {fear: ['${seed}']}}}}\n", r"test\.x\.dataset\.clips\.fear"),
        (REPEATED, "line 2 repeats a part of the file"),
        ("seed: !!int x\n", "invalid literal"),
        ("seed: " + "[" * 5000, "line 1 lies more than 50 levels deep"),
        ("- " * 5000, "line 1 lies more than 50 levels deep"),
        ("!!python/object/apply:os.system ['touch mark']\n", "could not determine a constructor"),
        ("seed: 1\nseed: 2\n", "duplicate key"),
        ("a" * 1_000_001, "larger than 1,000,000 bytes"),
        ("hello", "is not a setting|not in"),
        ("paths: {demo: true}\n", "cut off|has no value|missing"),
        ("- a", "."),
    ],
)
def test_a_strange_configuration_is_one_line(tmp_path: Path, content: str, expected: str) -> None:
    """No variable is read, nothing runs, nothing grows, and no other error comes through."""
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(RunError, match=rf"config\.yaml is not the configuration.*{expected}"):
        read_run_settings(tmp_path)


def test_episodes_of_a_run_that_goes_on_stay_in_its_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger's run names any file of yours in episodes.save; resumed, it is left alone."""
    table, shape = face_table({"a": 9, "b": 8}), Shape(2, 2, 1)
    protocol = EpisodicProtocol("test", "x", "made", table, 3, build_pool(table, shape))
    (tmp_path / "run").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    outside = EpisodesConfig(save=str(tmp_path / "run/../mine.txt"))
    save_drawn([protocol], outside, 0, tmp_path / "run")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "lies outside" not in caplog.text
    save_drawn([protocol], EpisodesConfig(save=str(tmp_path / "new.npz")), 0, tmp_path / "run")
    assert not (tmp_path / "new.npz").exists()
    assert "lies outside" in caplog.text
    save_drawn([protocol], EpisodesConfig(save=str(tmp_path / "run/e.npz")), 0, tmp_path / "run")
    save_drawn([protocol], outside, 0)  # of a run that begins: the user's own word
    assert (tmp_path / "run/e.npz").read_bytes()[:2] == b"PK"
    assert (tmp_path / "mine.txt").read_bytes()[:2] == b"PK"


def test_a_bom_does_no_harm(tmp_path: Path) -> None:
    """Some editors of Windows put one in front."""
    content = {"train": {"epochs": 1, "episodes_per_epoch": 1, "n_way": 2, "k_shot": 1}}
    text = yaml.safe_dump(content)
    (tmp_path / "config.yaml").write_text("\ufeff" + text, encoding="utf-8")
    with pytest.raises(RunError, match="has no value"):  # it was read: other keys are missing
        read_run_settings(tmp_path)
