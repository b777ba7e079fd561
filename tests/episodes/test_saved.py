"""The same episodes for everyone, and no trust in a file that says so."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command, face_table

from fewshot_fer.data.fingerprint import table_identity
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.episodes.saved import episodes_digest, load_episodes, save_episodes, table_digest
from fewshot_fer.system.errors import RunError

SHAPE = Shape(2, 2, 1)


def test_round_trip_wherever_the_data_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes come back exactly, for the same images below another folder too."""
    table = face_table({"a": 9, "b": 8})
    episodes = draw_episodes(build_pool(table, SHAPE), 20, seed=0)
    save_episodes(tmp_path / "new/e.npz", {"test/x": (table, episodes)})
    moved = table.assign(path="/else/where/" + table["path"])
    moved["group"] = moved["path"]
    deep = table.assign(path="/one/two/three/" + table["path"])
    loaded = load_episodes(tmp_path / "new/e.npz", "test/x", table, SHAPE)
    assert np.array_equal(loaded.support, episodes.support)
    assert loaded.class_names == ("a", "b")
    save_episodes(tmp_path / "deep.npz", {"test/x": (deep, episodes)})
    assert load_episodes(
        tmp_path / "deep.npz", "test/x", deep.assign(path="/0" + deep["path"]), SHAPE
    )
    digest = table_digest(table)
    assert episodes_digest(digest, loaded) == episodes_digest(digest, episodes)
    other = draw_episodes(build_pool(table, SHAPE), 20, seed=1)
    assert episodes_digest(digest, other) != episodes_digest(digest, episodes)
    with pytest.raises(RunError, match="other images or labels"):
        load_episodes(tmp_path / "new/e.npz", "test/x", moved, SHAPE)  # of an earlier version
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(tmp_path / "cache"))
    save_episodes(
        tmp_path / "new/e.npz", {"test/x": (table, episodes)}, {"test/x": table_identity(table)}
    )
    assert load_episodes(tmp_path / "new/e.npz", "test/x", moved, SHAPE)
    with pytest.raises(RunError, match="other images or labels"):
        load_episodes(tmp_path / "new/e.npz", "test/x", moved.assign(split="test"), SHAPE)


def test_the_digest_of_a_table_stays_what_it_was() -> None:
    """Files of episodes that people have name it, and refuse any other table."""
    paths = ["/data/RAF-DB/basic/Image/aligned/a.jpg", "/b.jpg", "c/d.jpg", "e.jpg"]
    table = pd.DataFrame({"path": paths, "label": ["x", "y", "x", "y"]})
    text = "basic/Image/aligned/a.jpg\tx\n//b.jpg\ty\nc/d.jpg\tx\ne.jpg\ty"
    assert table_digest(table) == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_wrong_files_are_named(tmp_path: Path) -> None:
    """Missing, damaged, pickled, without the name, of another shape, out of range, mislabelled."""
    table = face_table({"a": 9, "b": 8})
    episodes = draw_episodes(build_pool(table, SHAPE), 20, seed=0)
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
    twice = np.repeat(episodes.support[..., :1], 2, axis=-1)
    for change in (episodes.support + 100, episodes.support * 0, -episodes.support, twice):
        wrong = type(episodes)(episodes.class_names, episodes.classes, change, episodes.query)
        save_episodes(file, {"test/x": (table, wrong)})
        with pytest.raises(RunError, match="does not hold"):
            load_episodes(file, "test/x", table, SHAPE)


def test_any_flipped_byte_is_one_line_or_the_same_episodes(tmp_path: Path) -> None:
    """Damage is met in zip, in zlib and in NumPy's header, each with errors of its own."""
    table = face_table({"a": 9, "b": 8})
    episodes = draw_episodes(build_pool(table, SHAPE), 20, seed=0)
    file = tmp_path / "e.npz"
    save_episodes(file, {"test/x": (table, episodes)})
    whole, random = file.read_bytes(), np.random.default_rng(0)
    for place in random.integers(0, len(whole), 300):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.integers(8)
        file.write_bytes(damaged)
        try:
            loaded = load_episodes(file, "test/x", table, SHAPE)
        except RunError:
            continue
        assert np.array_equal(loaded.query, episodes.query)


def test_a_file_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is told by what its directory announces; the limit can be raised by name."""
    table = face_table({"a": 9, "b": 8})
    episodes = draw_episodes(build_pool(table, SHAPE), 20, seed=0)
    save_episodes(tmp_path / "e.npz", {"test/x": (table, episodes)})
    monkeypatch.setenv("FEWSHOT_FER_MAX_EPISODE_BYTES", "1000")
    with pytest.raises(RunError, match=r"more than 1,000: .*FEWSHOT_FER_MAX_EPISODE_BYTES"):
        load_episodes(tmp_path / "e.npz", "test/x", table, SHAPE)


def test_where_episodes_cannot_be_written(tmp_path: Path) -> None:
    """A file in the place of a folder: one line, and nothing is left behind."""
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"episodes\.save: cannot write"):
        save_episodes(tmp_path / "file/e.npz", {})
    (tmp_path / "e.npz").mkdir()
    with pytest.raises(RunError, match=r"episodes\.save: cannot write"):
        save_episodes(tmp_path / "e.npz", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.npz", "file"]


def test_two_runs_answer_the_same_episodes(command: Command, data: Path, tmp_path: Path) -> None:
    """episodes.save in one run and episodes.load in another of a different seed."""
    common = (*TINY, f"paths.data={data}", "train.epochs=1", "test=basic_7w1s", "test.episodes=7")
    ids = []
    for extra in (("episodes.save=e.npz",), ("episodes.load=e.npz", "seed=5"), ("seed=5",)):
        outcome = command("train", *common, *extra)
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
