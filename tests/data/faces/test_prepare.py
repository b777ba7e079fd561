"""Clips and photographs become aligned faces, and whatever was dropped is said."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, assert_one_line
from films import write_film
from PIL import Image

from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.data.faces import prepare as session
from fewshot_fer.data.faces.detector import Face
from fewshot_fer.data.faces.manifest import COLUMNS, Manifest
from fewshot_fer.data.faces.video import follow, overlap, persistent
from fewshot_fer.system.errors import ConfigError, DataError


def on_wall(face: Path | None, place: int = 0, side: int = 150) -> np.ndarray:
    """Return a frame [200, 260, 3]: a wall and, at a place from the left, a face."""
    frame = np.full((200, 260, 3), (120, 130, 140), dtype=np.uint8)
    if face is not None:
        with Image.open(face) as opened:
            small = np.asarray(opened.convert("RGB").resize((side, side)))
        frame[25 : 25 + side, place : place + side] = small
    return frame


def frames_of(demo: Path, of_class: str) -> list[Path]:
    clip = sorted((demo / "AFEW/Val_AFEW" / of_class).iterdir())[0]
    return sorted(clip.glob("*.jpg"))


@pytest.fixture(scope="module")
def films(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AFEW's videos: a plain clip, one with a passer-by and a frame without anyone, one without any
    face, one that breaks off, and a text that says it is a video."""
    root = tmp_path_factory.mktemp("my films") / "AFEW"
    happy, angry = frames_of(demo, "Happy"), frames_of(demo, "Angry")
    write_film(root / "Train_AFEW/Happy/000000001.avi", [on_wall(happy[0], 50)] * 3)
    passing = [on_wall(angry[0], 10 + n, 110) for n in range(4)]
    for frame in passing[1:3]:
        frame[40:120, 165:245] = on_wall(happy[0], 0, 80)[25:105, :80]
    film = [*passing[:3], on_wall(None), passing[3]]
    write_film(root / "Val_AFEW/Angry/000000002.avi", film)
    write_film(root / "Val_AFEW/Happy/000000003.avi", [on_wall(None)] * 2)
    write_film(root / "whole.avi", [on_wall(happy[0], 20 + n % 40) for n in range(40)])
    content = (root / "whole.avi").read_bytes()
    (root / "whole.avi").unlink()
    (root / "Val_AFEW/Happy/000000004.avi").write_bytes(content[: len(content) * 3 // 4])
    (root / "Val_AFEW/Happy/000000005.avi").write_text("no video at all")
    return root


@pytest.fixture(scope="module")
def prepared(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one preparation of all films left."""
    out = tmp_path_factory.mktemp("prepared") / "AFEW_frames"
    session.prepare_session(PrepareVerb(afew=str(films), out=str(out), device="cpu"))
    return out


def manifest_of(out: Path) -> pd.DataFrame:
    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    return table.set_index("source")


def test_the_adapter_reads_what_was_prepared(prepared: Path) -> None:
    """Faces of 100x100 in the layout of frames; a clip without any face counts as lost."""
    table = read_afew(prepared)
    counts = table.groupby("clip").size().to_dict()
    truncated = int(manifest_of(prepared)["kept"]["Val_AFEW/Happy/000000004.avi"])
    assert counts == {
        "train/Happy/000000001": 3,
        "val/Angry/000000002": 4,
        "val/Happy/000000004": truncated,
    }
    assert table.attrs["lost_clips"] == {"val/Happy/000000003": "happiness"}
    for path in table["path"]:
        with Image.open(path) as face:
            assert face.size == (100, 100)


def test_the_manifest_says_what_became_of_every_clip(prepared: Path) -> None:
    """Frames without a face by number, broken clips with the reason, nothing left out."""
    table = manifest_of(prepared)
    assert table["status"].to_dict() == {
        "Train_AFEW/Happy/000000001.avi": "ok",
        "Val_AFEW/Angry/000000002.avi": "ok",
        "Val_AFEW/Happy/000000003.avi": "no_face",
        "Val_AFEW/Happy/000000004.avi": "truncated",
        "Val_AFEW/Happy/000000005.avi": "unreadable",
    }
    mixed = table.loc["Val_AFEW/Angry/000000002.avi"]
    assert (mixed["frames"], mixed["kept"], mixed["no_face_frames"]) == ("5", "4", "4")
    assert "breaks off" in table.loc["Val_AFEW/Happy/000000004.avi", "reason"]
    assert "damaged" in table.loc["Val_AFEW/Happy/000000005.avi", "reason"]
    assert (prepared / "Val_AFEW/Angry/000000002/004_noface.jpg").is_file()
    assert not (prepared / "Val_AFEW/Happy/000000005").exists()


def test_the_face_that_stays_is_taken(prepared: Path, demo: Path) -> None:
    """Not the passer-by, who is there for two frames of five."""
    with Image.open(prepared / "Val_AFEW/Angry/000000002/002.jpg") as face:
        found = np.asarray(face, dtype=float)
    with Image.open(prepared / "Val_AFEW/Angry/000000002/001.jpg") as face:
        alone = np.asarray(face, dtype=float)
    assert np.abs(found - alone)[20:85, 20:80].mean() < 15


def test_a_second_start_does_nothing_and_a_stopped_one_goes_on(
    command: Command, films: Path, prepared: Path, tmp_path: Path
) -> None:
    """Clips that are there are kept, a half-written one and one that is gone are made again."""
    out = tmp_path / "out"
    shutil.copytree(prepared, out)
    before = manifest_of(out)
    shutil.rmtree(out / "Train_AFEW/Happy/000000001")
    (out / "Train_AFEW/Happy/.000000001.7.ab").mkdir()
    (out / "Train_AFEW/Happy/.000000001.7.ab/001.jpg").write_text("half")
    kept = (out / "Val_AFEW/Angry/000000002/001.jpg").stat().st_mtime_ns
    outcome = command("prepare", f"afew={films}", f"out={out}")
    assert outcome.code == 0, outcome.err
    assert "4 of 5 are there already" in outcome.out
    assert "unreadable: Val_AFEW/Happy/000000005.avi" in outcome.out
    assert (out / "Val_AFEW/Angry/000000002/001.jpg").stat().st_mtime_ns == kept
    assert len(list((out / "Train_AFEW/Happy/000000001").iterdir())) == 3
    assert not list(out.rglob(".*"))
    pd.testing.assert_frame_equal(manifest_of(out), before)


def test_other_settings_want_another_folder(
    command: Command, films: Path, prepared: Path, tmp_path: Path
) -> None:
    """Clips at two rates never stand side by side in one folder."""
    shutil.copytree(prepared, tmp_path / "out")
    outcome = command("prepare", f"afew={films}", f"out={tmp_path / 'out'}", "fps=5")
    assert outcome.code == 2
    assert "was prepared with fps=None" in outcome.err


def test_photographs_keep_their_folders(command: Command, demo: Path, tmp_path: Path) -> None:
    """One face a picture, or all; what has none, or cannot be read, is in the manifest."""
    photographs = tmp_path / "my photographs"
    (photographs / "행복").mkdir(parents=True)
    face = frames_of(demo, "Happy")[0]
    both = on_wall(face, 0, 120)
    both[60:160, 140:240] = on_wall(face, 0, 100)[25:125, :100]
    Image.fromarray(both).save(photographs / "행복/two faces.png")
    Image.fromarray(on_wall(face, 40)).save(photographs / "행복/two faces.jpg")
    Image.fromarray(on_wall(None)).save(photographs / "wall.png")
    (photographs / "text.jpg").write_text("no picture")
    outcome = command("prepare", f"images={photographs}", f"out={tmp_path / 'out'}", "faces=all")
    assert outcome.code == 0, outcome.err
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jpg")}
    assert made == {
        "행복/two faces.png.jpg",
        "행복/two faces.png_2.jpg",
        "행복/two faces.jpg.jpg",
    }
    assert manifest_of(tmp_path / "out")["status"].to_dict() == {
        "행복/two faces.jpg": "ok",
        "행복/two faces.png": "ok",
        "text.jpg": "unreadable",
        "wall.png": "no_face",
    }


def test_two_videos_of_one_clip_are_refused(tmp_path: Path) -> None:
    """Which of them the clip's faces are of would be chance."""
    folder = tmp_path / "films/Train_AFEW/Happy"
    folder.mkdir(parents=True)
    for name in ("000000001.avi", "000000001.mp4"):
        (folder / name).touch()
    with pytest.raises(DataError, match=r"000000001\.avi and .*000000001\.mp4 would both become"):
        session.prepare_session(PrepareVerb(afew=str(tmp_path / "films"), out=str(tmp_path / "o")))


def test_a_source_that_has_another_name_already_is_refused(tmp_path: Path) -> None:
    """A folder that an earlier version prepared would hold each face twice; nor does a manifest
    lead out of its folder."""
    manifest = Manifest(tmp_path, {})
    row = dict.fromkeys(COLUMNS, "0") | {"source": "x.png", "bytes": "5", "target": "../x.jpg"}
    manifest.add(row)
    with pytest.raises(ConfigError, match=r"holds x\.png as \.\./x\.jpg, now it would be x\.png"):
        manifest.done("x.png", 5, Path("x.png.jpg"))
    assert manifest.done("x.png", 5, Path("../x.jpg"), "0")
    assert not manifest.done("x.png", 6, Path("../x.jpg"), "0")
    assert not manifest.done("y.png", 5, Path("y.png.jpg"), "0")


def test_a_source_of_the_same_size_and_other_content_is_done_again(tmp_path: Path) -> None:
    """But for one of a manifest that an earlier version wrote: it knows sizes alone."""
    row = dict.fromkeys(COLUMNS, "0") | {"source": "x.png", "bytes": "5", "target": "x.png.jpg"}
    manifest = Manifest(tmp_path, {})
    manifest.add(row | {"digest": "a"})
    for again in (manifest, Manifest(tmp_path, {})):
        assert again.done("x.png", 5, Path("x.png.jpg"), "a")
        assert not again.done("x.png", 5, Path("x.png.jpg"), "b")
    file = tmp_path / "manifest.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    assert Manifest(tmp_path, {}).done("x.png", 5, Path("x.png.jpg"), "b")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out=o"], "give one of afew="),
        (["afew=missing", "out=o"], "afew=missing is not a folder"),
        (["images=empty", "out=o"], "no pictures in empty"),
        (["afew=empty", "out=o"], "no clips in empty"),
        (["images=full", "out=full/below"], "lie in one another"),
        (["images=full", "out=full/a.jpg"], "is a file"),
        (["images=full"], "out has no value"),
        (["images=full", "out=o", "fps=0"], "fps=0.0 is out of range"),
        (["images=full", "out=o", "faces=both"], "choose one of largest, all"),
        (["images=full", "out=o", "siez=3"], "siez"),
    ],
)
def test_mistakes_are_one_line(
    command: Command, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Exit code 2, and nothing is written."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "full/a.jpg")
    outcome = command("prepare", *arguments)
    assert_one_line(outcome, said)
    assert not (tmp_path / "o").exists()


def face_at(x: float, y: float, side: float = 10) -> Face:
    return Face((x, y, x + side, y + side), 1.0, np.zeros((5, 2)))


def test_tracks_follow_faces_that_move_and_cross() -> None:
    """Two that pass each other stay themselves; a jump begins a new track; a gap does not."""
    frames = [[face_at(n, 0), face_at(30 - n, 8)] for n in range(20)]
    tracks = follow(frames)
    assert [len(track.places) for track in tracks] == [20, 20]
    assert [len(track.places) for track in follow([[face_at(0, 0)], [face_at(50, 50)]])] == [1, 1]
    gap = [[face_at(0, 0)], *[[] for _ in range(5)], [face_at(1, 1)]]
    assert [track.places for track in follow(gap)] == [{0: 0, 6: 0}]
    assert persistent([[], []]) is None


def test_of_equally_long_tracks_the_larger_face_is_taken() -> None:
    """And of unequal ones the longer, however small."""
    both = [[face_at(0, 0, 10), face_at(40, 40, 20)]] * 3
    track = persistent(both)
    assert track is not None
    assert track.mean_area == 400
    longer = persistent([*both, [face_at(0, 0, 10)]])
    assert longer is not None
    assert longer.mean_area == 100


def test_overlap_is_a_share_of_the_union() -> None:
    """0 apart, 1 on top of one another, 1/7 for quarter squares."""
    assert overlap(face_at(0, 0), face_at(20, 0)) == 0
    assert overlap(face_at(0, 0), face_at(0, 0)) == 1
    assert overlap(face_at(0, 0), face_at(5, 5)) == pytest.approx(25 / 175)
    assert overlap(face_at(0, 0, 0), face_at(0, 0, 0)) == 0


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.jpg"), "x" * 249 + ".jpg"])
def test_a_name_that_cannot_be_written_is_refused_before_a_face_is_looked_for(
    name: str, tmp_path: Path, command: Command
) -> None:
    """Of two hundred photographs the last one would end it otherwise."""
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / name).touch()
    outcome = command("prepare", "images=photographs", "out=faces", "device=cpu")
    assert_one_line(outcome, ascii(name)[1:-5])
    assert not (tmp_path / "faces").exists()
