"""No query is scored against a support that holds its own clip, subject or picture."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, Outcome, assert_one_line, draw_pattern, face_table, touch

from fewshot_fer.config.schema import DatasetConfig, EpisodesConfig, EvalConfig
from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.load import Source
from fewshot_fer.episodes.fixed_support import FixedProtocol, draw_fixed_support, fixed_protocol
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import RunData
from fewshot_fer.system.errors import EpisodeError

CLASSES = ("anger", "fear", "happiness", "neutral")
DRAWS = 3


def write_list(folder: Path, n_clips: int, n_frames: int, clip: bool = False) -> Path:
    """Write pictures in clips, all alike within a clip, and a CSV that lists them."""
    rows = ["path,label,group" + ",clip" * clip]
    for number, label in enumerate(CLASSES):
        for group in range(n_clips):
            for frame in range(n_frames):
                path = Path(label, f"{group}_{frame}.jpg")
                # A clip looks like a class of its own, so that its other frames give it away.
                random = np.random.default_rng([number, group, frame])
                draw_pattern(folder / path, (number + 3 * group) % 16, random)
                name = f"{label} {group}"
                rows.append(",".join([str(path), label, name] + [name] * clip))
    (folder / "list.csv").write_text("\n".join(rows))
    return folder / "list.csv"


def on_own_support(command: Command, run: Path, file: Path, *more: str) -> Outcome:
    """Test a run on a list whose support comes from the same images."""
    words = ("test=csv_5w5s", "test.kind=fixed", "test.n_way=0", "test.support_split=all")
    shape = ("test.k_shot=2", f"test.support_draws={DRAWS}", f"test.dataset.file={file}")
    outcome = command("test", f"run={run}", *words, *shape, *more)
    assert outcome.code == 0, outcome.err
    return outcome


def without_own_groups(predictions: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Return the predictions of queries whose group is not in the support of their draw."""
    table = read_csv_list(file)
    support = draw_fixed_support(table, 2, DRAWS, seed=0, what="")
    group = dict(zip(table["path"], table["group"], strict=True))
    kept = []
    for row in predictions.itertuples():
        held = {group[table["path"][number]] for number in support.rows[row.draw].ravel()}
        kept.append(group[row.path] not in held)
    return predictions[kept]


def test_figures_are_of_queries_whose_clip_is_elsewhere(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """Every table, recounted from the predictions that were made without regard to clips."""
    file = write_list(tmp_path / "faces", n_clips=4, n_frames=3, clip=True)
    allowing = on_own_support(command, fixed_run, file, "episodes.disjoint=image").folder
    outcome = on_own_support(command, fixed_run, file)
    every = pd.read_csv(allowing / "predictions.csv")
    right = without_own_groups(every, file)
    correct = right["true"] == right["predicted"]
    results = pd.read_csv(outcome.folder / "results.csv").set_index("level")
    frames = results.loc["frame"]
    assert frames["accuracy"] == pytest.approx(correct.mean(), abs=1e-5)
    by_draw = correct.groupby(right["draw"]).mean()
    assert frames["deviation"] == pytest.approx(by_draw.std(), abs=1e-5)
    assert frames["uar"] == pytest.approx(correct.groupby(right["true"]).mean().mean(), abs=1e-5)
    assert frames["majority"] == pytest.approx(
        right["true"].value_counts().max() / len(right), abs=1e-5
    )
    own = right.apply(lambda row: -np.log(row[row["true"]]), axis=1)
    assert frames["loss"] == pytest.approx(own.mean(), rel=1e-3)
    assert frames["n_left_out"] == len(every) - len(right) > 0
    assert frames["n_query"] * DRAWS == len(every)
    assert (frames["disjoint"], results.loc["clip", "disjoint"]) == ("group", "group")
    asked = ["draw", "path", "true", "predicted"]
    found = pd.read_csv(outcome.folder / "predictions.csv")
    pd.testing.assert_frame_equal(found[asked], right[asked].reset_index(drop=True))
    answers = pd.read_csv(outcome.folder / "answers.csv")
    answers = answers[answers["level"] == "frame"]
    assert answers["correct"].sum() / answers["asked"].sum() == pytest.approx(
        correct.mean(), abs=1e-4
    )
    assert answers["asked"].sum() * DRAWS == pytest.approx(len(right), abs=1e-3)
    confusion = pd.read_csv(outcome.folder / "confusion_test_csv_fixed2.csv", index_col="true")
    crossed = pd.crosstab(right["true"], right["predicted"]).reindex(columns=confusion.columns)
    np.testing.assert_array_equal(confusion.to_numpy(), crossed.fillna(0).to_numpy())
    assert f"{len(every) - len(right)} of {len(every)} predictions" in outcome.err
    clips = right.groupby(["draw", "clip", "true"])[list(CLASSES)].mean().reset_index()
    voted = clips[list(CLASSES)].idxmax(axis=1) == clips["true"]
    assert results.loc["clip", "accuracy"] == pytest.approx(voted.mean(), abs=1e-5)
    assert results.loc["clip", "n_left_out"] == 16 * DRAWS - len(clips)


def test_a_picture_of_the_support_under_another_name(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """No group tells that two files are one picture: what is in the support is not scored."""
    file = write_list(tmp_path / "faces", n_clips=6, n_frames=1)
    rows = [line.split(",")[:2] for line in file.read_text().splitlines()[1:]]
    for path, _ in rows:
        shutil.copy(file.parent / path, (file.parent / path).with_suffix(".again.jpg"))
    lines = ["path,label"]
    for path, label in rows:
        lines += [f"{path},{label}", f"{Path(path).with_suffix('.again.jpg')},{label}"]
    file.write_text("\n".join(lines))
    outcome = on_own_support(command, fixed_run, file)
    row = pd.read_csv(outcome.folder / "results.csv").iloc[0]
    assert row["disjoint"] == "image"
    table = read_csv_list(file)
    support = draw_fixed_support(table, 2, DRAWS, seed=0, what="")
    ever = set(table["path"].iloc[support.images()])
    left_out = 0
    for rows_of_draw in support.rows:
        held = {path.replace(".again", "") for path in table["path"].iloc[rows_of_draw.ravel()]}
        left_out += sum(
            path.replace(".again", "") in held for path in table["path"] if path not in ever
        )
    assert row["n_left_out"] == left_out > 0
    assert "picture, under another name, is in the support" in outcome.err


def protocol(
    folder: Path, training: pd.DataFrame | None, disjoint: str = "group", **changed: object
) -> FixedProtocol:
    """Return a fixed protocol on folder/list.csv, whose pictures need not be there."""
    data = DatasetConfig(adapter="csv", split="all", file=str(folder / "list.csv"))
    settings = EvalConfig(name="csv", dataset=data, kind="fixed", k_shot=1, n_way=0)
    rules = EpisodesConfig(disjoint=disjoint)
    run = RunData(Source(folder, demo=False), rules, seed=0, training=training)
    return fixed_protocol("test", replace(settings, **changed), run)  # type: ignore[arg-type]


def test_groups_are_one_within_a_data_set_alone(tmp_path: Path) -> None:
    """The training set as support: its subjects in another split are the same, those of another
    data set are others, though they are called alike."""
    names = [f"{label}/{number}.jpg" for label in ("anger", "fear") for number in range(6)]
    touch(*(tmp_path / name for name in names))
    lines = [f"{name},{name.split('/')[0]},s{number % 6}" for number, name in enumerate(names)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,group", *lines]))
    queries = read_csv_list(tmp_path / "list.csv")
    training = queries.assign(path="train/" + queries["path"])
    same = protocol(tmp_path, training, support_draws=4)
    for scored, rows in zip(same.scored, same.support.rows, strict=True):
        held = set(training["group"].iloc[rows.ravel()])
        assert scored.tolist() == [group not in held for group in same.table["group"]]
    assert same.disjoint == "group"
    elsewhere = protocol(tmp_path, training.assign(dataset="others"), support_draws=4)
    assert elsewhere.scored.all()
    assert same.episodes_id != replace(same, scored=elsewhere.scored).episodes_id
    listed_twice = protocol(tmp_path, queries.assign(dataset="others"), support_draws=1)
    held = set(queries["group"].iloc[listed_twice.support.rows.ravel()])
    assert listed_twice.scored[0].tolist() == [g not in held for g in listed_twice.table["group"]]
    allowing = protocol(tmp_path, training, "image", support_draws=4)
    assert (allowing.disjoint, allowing.n_left_out) == ("image", 0)
    lone = training.assign(group=training["path"])
    (tmp_path / "list.csv").write_text(
        "\n".join(line.rsplit(",", 1)[0] for line in ["path,label,group", *lines])
    )
    assert protocol(tmp_path, lone).disjoint == "image"


def test_a_support_that_leaves_no_query(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One clip a class: an error, as no query is left; of one class alone, a line that says so."""
    names = [f"{label}/{number}.jpg" for label in ("anger", "fear") for number in range(6)]
    touch(*(tmp_path / name for name in names))
    for groups, is_error in (({"anger": "x", "fear": "y"}, True), ({"anger": "x"}, False)):
        lines = [
            f"{name},{(label := name.split('/')[0])},{groups.get(label, name)}" for name in names
        ]
        (tmp_path / "list.csv").write_text("\n".join(["path,label,group", *lines]))
        if is_error:
            with pytest.raises(EpisodeError, match="every query has its clip or subject in the"):
                protocol(tmp_path, None, support_split="all")
        else:
            made = protocol(tmp_path, None, support_split="all")
            assert "no query left of anger" in caplog.text
            assert {made.table["label"][q] for q in np.flatnonzero(made.scored.any(0))} == {"fear"}


def test_repeats_of_an_image_are_no_group() -> None:
    """mix.per_class draws a small class several times; only images are kept apart then."""
    table = face_table({"a": 4, "b": 9})
    rows = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3, *range(4, 13)])
    pool = build_pool(table, Shape(2, 2, 2), rows=rows)
    assert pool.disjoint == "image"
    few = np.array([0] * 9 + list(range(4, 13)))
    for disjoint in ("image", "group"):
        rules = EpisodesConfig(disjoint=disjoint)
        with pytest.raises(EpisodeError, match="9 images, repeats of 1") as error:
            build_pool(table, Shape(2, 2, 2), rules, rows=few)
        assert "disjoint" not in str(error.value)


def test_saved_episodes_keep_groups_apart_too(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """Episodes that were drawn without regard to clips are refused, unless that is asked for."""
    file = write_list(tmp_path / "faces", n_clips=3, n_frames=4)
    shape = ("test=csv_5w5s", "test.n_way=3", "test.k_shot=3", "test.episodes=20")
    line = ("test", f"run={fixed_run}", *shape, f"test.dataset.file={file}")
    saved = command(*line, "episodes.disjoint=image", "episodes.save=e.npz")
    assert saved.code == 0, saved.err
    assert_one_line(command(*line, "episodes.load=e.npz"), "a clip or subject stands on both sides")
    loaded = command(*line, "episodes.load=e.npz", "episodes.disjoint=image")
    row = pd.read_csv(loaded.folder / "results.csv").iloc[0]
    assert (row["disjoint"], row["n_groups"], row["n_images"]) == ("image", 12, 48)


def test_warnings_are_those_of_the_row(
    command: Command, fixed_run: Path, data: Path, tmp_path: Path
) -> None:
    """A test on validation's images, one on other data, and one with a picture of two names and a
    file that cannot be read: none is blamed for another."""
    file = write_list(tmp_path / "faces", n_clips=8, n_frames=1)
    shutil.copy(file.parent / "fear/0_0.jpg", file.parent / "anger/3_0.jpg")
    (file.parent / "anger/7_0.jpg").write_text("no picture")
    tests = "test=[basic_7w1s,afew_4w5s,csv_5w5s]"
    shape = [f"test.{name}.k_shot=1" for name in ("basic_7w1s", "afew_4w5s", "csv_5w5s")]
    own = (f"test.csv_5w5s.dataset.file={file}", "test.csv_5w5s.n_way=3", "test.episodes=4")
    line = ("test", f"run={fixed_run}", tests, *shape, *own, "on_bad_image=skip")
    outcome = command(*line)
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv", keep_default_na=False)
    warnings = dict(zip(results["protocol"], results["warnings"], strict=True))
    assert warnings == {
        "basic_7w1s": "shared_images:21",
        "afew_4w1s": "",
        "csv_3w1s": "bad_images:1;two_names:1",
    }
    assert outcome.err.count("1 picture(s) stand under two class names") == 1
