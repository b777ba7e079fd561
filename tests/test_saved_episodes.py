"""The same episodes for everyone, and no trust in a file that says so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command, face_table

from fewshot_fer.episodes import draw_episodes
from fewshot_fer.errors import RunError
from fewshot_fer.pool import Shape, build_pool
from fewshot_fer.saved_episodes import episodes_digest, load_episodes, save_episodes

SHAPE = Shape(2, 2, 1)


def test_round_trip_wherever_the_data_lie(tmp_path: Path) -> None:
    """Episodes come back exactly, for the same images below another folder too."""
    table = face_table({"a": 9, "b": 8})
    episodes = draw_episodes(build_pool(table, SHAPE), SHAPE, 20, seed=0)
    save_episodes(tmp_path / "new/e.npz", {"test/x": (table, episodes)})
    moved = table.assign(path="/else/where/" + table["path"])
    deep = table.assign(path="/one/two/three/" + table["path"])
    loaded = load_episodes(tmp_path / "new/e.npz", "test/x", table, SHAPE)
    assert np.array_equal(loaded.support, episodes.support)
    assert loaded.class_names == ("a", "b")
    save_episodes(tmp_path / "deep.npz", {"test/x": (deep, episodes)})
    assert load_episodes(
        tmp_path / "deep.npz", "test/x", deep.assign(path="/0" + deep["path"]), SHAPE
    )
    assert episodes_digest(table, loaded) == episodes_digest(table, episodes)
    other = draw_episodes(build_pool(table, SHAPE), SHAPE, 20, seed=1)
    assert episodes_digest(table, other) != episodes_digest(table, episodes)
    with pytest.raises(RunError, match="other images or labels"):
        load_episodes(tmp_path / "new/e.npz", "test/x", moved, SHAPE)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    """Missing, damaged, pickled, without the name, of another shape, out of range, mislabelled."""
    table = face_table({"a": 9, "b": 8})
    episodes = draw_episodes(build_pool(table, SHAPE), SHAPE, 20, seed=0)
    file = tmp_path / "e.npz"
    with pytest.raises(RunError, match="cannot be read"):
        load_episodes(file, "test/x", table, SHAPE)
    for content in (b"", b"hello", b"PK\x03\x04"):
        file.write_bytes(content)
        with pytest.raises(RunError, match="cannot be read"):
            load_episodes(file, "test/x", table, SHAPE)
    np.savez(file, **{"test/x/table": np.array([{"a": 1}], dtype=object)}, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="cannot be read"):
        load_episodes(file, "test/x", table, SHAPE)
    save_episodes(file, {"test/x": (table, episodes)})
    with pytest.raises(RunError, match="has no test/y, only test/x"):
        load_episodes(file, "test/y", table, SHAPE)
    with pytest.raises(RunError, match="does not hold 2-way 3-shot"):
        load_episodes(file, "test/x", table, Shape(2, 3, 1))
    for change in (episodes.support + 100, episodes.support * 0, -episodes.support):
        wrong = type(episodes)(episodes.class_names, episodes.classes, change, episodes.query)
        save_episodes(file, {"test/x": (table, wrong)})
        with pytest.raises(RunError, match="does not hold"):
            load_episodes(file, "test/x", table, SHAPE)


def test_two_runs_answer_the_same_episodes(command: Command, data: Path, tmp_path: Path) -> None:
    """episodes.save in one run and episodes.load in another of a different seed."""
    common = (*TINY, f"paths.data={data}", "train.epochs=1", "test=basic_7w1s", "test.episodes=7")
    ids = []
    for extra in (("episodes.save=e.npz",), ("episodes.load=e.npz", "seed=5"), ("seed=5",)):
        outcome = command("train", *common, *extra)
        assert outcome.folder is not None, outcome.err
        results = pd.read_csv(outcome.folder / "results.csv", keep_default_na=False)
        ids.append(results["episodes_id"].tolist())
        answers = pd.read_csv(outcome.folder / "answers.csv")
        for row in results[results["role"] != "train"].itertuples():
            own = answers[(answers["role"] == row.role) & (answers["protocol"] == row.protocol)]
            accuracy = own["correct"].sum() / own["asked"].sum()
            assert accuracy == pytest.approx(float(row.accuracy), abs=1e-5)  # type: ignore[arg-type]
    assert ids[0] == ids[1]
    assert ids[1] != ids[2]
    wrong = command("train", *common, "episodes.load=gone.npz")
    assert wrong.code == 2
    assert "gone.npz" in wrong.err
