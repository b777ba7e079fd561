"""Videos: a row a frame, the clip's vote, and films that break off."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, draw_pattern
from films import squares, write_film
from PIL import Image
from typed_predict import table_of

from fewshot_fer.data import labels
from fewshot_fer.inference.clips import Clip

av = pytest.importorskip("av")


def draw_frames(folder: Path, label: str, count: int) -> list[Path]:
    """Write pictures of an expression's stripes."""
    random = np.random.default_rng(3)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for path in paths:
        draw_pattern(path, labels.BASIC.index(label), random)
    return paths


@pytest.mark.drawn
def test_a_film_comes_back_with_its_class(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """From .avi to label: a row a frame with its time, and the vote is the frames' mean."""
    for label in ("happiness", "anger"):
        frames = squares(draw_frames(tmp_path / label, label, 20))
        write_film(tmp_path / f"films/{label}.avi", frames, rate=5)
    outcome = command("predict", f"run={fixed_run}", "images=films", "align=false", "draw=true")
    frames = table_of(outcome)
    clips = pd.read_csv(outcome.folder / "clips.csv")
    assert clips["label"].tolist() == ["anger", "happiness"]
    assert clips[["frames", "faces"]].to_numpy().tolist() == [[20, 20], [20, 20]]
    first = frames[frames["file"] == "films/anger.avi"]
    assert first["frame"].astype(int).tolist() == list(range(20))
    assert first["seconds"].astype(float).tolist() == pytest.approx(np.arange(20) / 5)
    mean = first.filter(like="p_").astype(float).mean()
    assert clips.filter(like="p_").loc[0].to_numpy() == pytest.approx(mean.to_numpy(), abs=1e-4)
    assert len(list((outcome.folder / "drawn/anger").iterdir())) == 20
    with Image.open(outcome.folder / "anger_probabilities.png") as picture:
        assert picture.width > 600
    assert "anger" in outcome.out


def test_fewer_frames_a_second(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """fps=1 of a film of four seconds at five frames a second reads four of them."""
    frames = squares(draw_frames(tmp_path / "x", "fear", 20))
    write_film(tmp_path / "film.avi", frames, rate=5)
    outcome = command("predict", f"run={fixed_run}", "images=film.avi", "align=false", "fps=1")
    assert table_of(outcome)["seconds"].astype(float).tolist() == pytest.approx([0, 1, 2, 3])


def test_films_that_break_off(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """No film at all is unreadable; half of one is read as far as it goes; clips.csv says both."""
    shown = squares(draw_frames(tmp_path / "x", "fear", 40))
    whole = write_film(tmp_path / "films/whole.avi", shown, rate=5)
    content = whole.read_bytes()
    (tmp_path / "films/half.avi").write_bytes(content[: len(content) // 2])
    (tmp_path / "films/text.mp4").write_text("no film")
    outcome = command("predict", f"run={fixed_run}", "images=films", "align=false")
    frames = table_of(outcome)
    clips = pd.read_csv(outcome.folder / "clips.csv", keep_default_na=False).set_index("file")
    assert clips.loc["films/whole.avi", ["status", "frames"]].tolist() == ["ok", 40]
    assert clips.loc["films/text.mp4", ["status", "frames"]].tolist() == ["unreadable", 0]
    assert "text.mp4" in clips.loc["films/text.mp4", "reason"]
    assert 0 < clips.loc["films/half.avi", "frames"] < 40
    assert clips.loc["films/half.avi", "label"] != ""
    of_text = frames[frames["file"] == "films/text.mp4"]
    assert of_text[["frame", "status"]].to_numpy().tolist() == [["", "unreadable"]]
    assert not (outcome.folder / "text_probabilities.png").exists()


def test_the_largest_face_votes() -> None:
    """Second faces and frames without any do not vote; more than half rejected is none of these."""
    clip = Clip(Path("x.avi"), ("a", "b"))
    row = {"status": "ok", "seconds": 0.0, "reason": ""}
    shares = {"p_a": 0.25, "p_b": 0.75}
    clip.add([row | {"frame": 0, "face": 0, "label": "none of these"} | shares])
    clip.add([row | {"frame": 0, "face": 1, "label": "a", "p_a": 1.0, "p_b": 0.0}])
    clip.add([row | {"frame": 1, "face": None, "status": "no_face", "label": None}])
    assert clip.row()["label"] == "none of these"
    clip.add([row | {"frame": 2, "face": 0, "label": "b"} | shares])
    voted = clip.row()
    assert (voted["label"], voted["frames"], voted["faces"]) == ("b", 3, 2)
    assert [voted["p_a"], voted["p_b"]] == pytest.approx([0.25, 0.75])
    assert voted["rejected"] == 0.5
