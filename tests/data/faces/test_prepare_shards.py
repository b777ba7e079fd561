"""Several commands prepare one folder together, and leave what one would have left."""

import filecmp
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, assert_one_line
from films import squares, write_film
from PIL import Image

from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.data.faces import prepare as session
from fewshot_fer.data.faces.shards import own_share, part_folder, shard_of
from fewshot_fer.system.errors import DataError, RunError

CLIPS = (  # as DFEW, FERV39k and MAFW name them
    *("Clip/original/00001.mp4", "Action/Happy/0267.mp4", "Action/Sad/0267.mp4"),
    *("War/Sad/0001.mp4", "00025.mp4"),
)


def files_below(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def prepare_shards(source: Path, out: Path, shards: int, order: list[int | None]) -> None:
    """Prepare shard after shard, None for all of it, as commands of their own would."""
    for shard in order:
        count = 1 if shard is None else shards
        with own_share(out, count, shard):
            session.prepare_session(
                PrepareVerb(
                    videos=str(source), out=str(out), shards=count, shard=shard, device="cpu"
                )
            )


class Preparing:
    """Stands for the finding of faces: counts the clips, and ends the process at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: Counter[str] = Counter()
        self.ends_at = ""
        monkeypatch.setattr(session, "prepare_film", self.prepare)
        monkeypatch.setattr(session, "load_detector", lambda _: None)

    def prepare(self, film: Path, target: Path, *_: object) -> dict[str, object]:
        if film.name == self.ends_at:
            raise KeyboardInterrupt
        self.done[film.name] += 1
        target.mkdir(parents=True, exist_ok=True)
        (target / "001.jpg").write_text(film.read_text())
        figures = dict.fromkeys(("no_face", "other_face", "no_face_frames", "other_face_frames"), 0)
        return {**figures, "frames": 1, "faces": 1, "kept": 1, "status": "ok", "reason": ""}


@pytest.fixture
def preparing(monkeypatch: pytest.MonkeyPatch) -> Preparing:
    return Preparing(monkeypatch)


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """Forty files in the place of clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:05}.mp4").write_text(str(number))
    return folder


@pytest.mark.parametrize("launched", [False, True])
def test_shards_end_as_one_command(
    launched: bool, demo: Path, tmp_path: Path, command: Command
) -> None:
    """Whatever their order: the same frames in the same folders, the manifest byte for byte."""
    clip = sorted((demo / "AFEW/Val_AFEW/Happy").iterdir())[0]
    frames = squares(sorted(clip.glob("*.jpg"))[:2], 120)
    for number, name in enumerate(CLIPS):
        write_film(tmp_path / "clips" / name, frames[: 1 + number % 2])
    (tmp_path / "clips/War/Sad/0002.mp4").write_text("no video")
    prepare_shards(tmp_path / "clips", tmp_path / "one", 1, [None])
    if launched:
        line = (f"videos={tmp_path / 'clips'}", "out=three", "shards=3", "device=cpu")
        assert command("prepare", "-m", *line, "shard=range(3)").code == 0
    else:
        prepare_shards(tmp_path / "clips", tmp_path / "three", 3, [2, 0, 1])
    made = files_below(tmp_path / "one")
    folders = {str(Path(name).parent) for name in made if name.endswith(".jpg")}
    assert folders == {name.removesuffix(".mp4") for name in CLIPS}
    assert files_below(tmp_path / "three") == made
    assert not filecmp.cmpfiles(tmp_path / "one", tmp_path / "three", made, shallow=False)[1]
    assert not (tmp_path / "three/.shards").exists()


def test_a_killed_shard_goes_on_and_nothing_is_done_twice(
    names: Path, tmp_path: Path, preparing: Preparing
) -> None:
    """In the same number of shards, in another, or in one command without any."""
    prepare_shards(names, tmp_path / "one", 1, [None])
    own = [file.name for file in sorted(names.iterdir()) if shard_of(file.name, 4) == 1]
    for order, shards in (([0, 2, 3, 1], 4), ([0, 1], 2), ([None], 1)):
        preparing.done.clear()
        out = tmp_path / f"out{shards}"
        preparing.ends_at = own[-1]
        with pytest.raises(KeyboardInterrupt):
            prepare_shards(names, out, 4, [1])
        begun = sum(preparing.done.values())
        assert (begun > 0) == (part_folder(out, 4, 1) / "manifest.csv").is_file()
        preparing.ends_at = ""
        prepare_shards(names, out, shards, list(order))
        assert set(preparing.done.values()) == {1}
        assert files_below(out) == files_below(tmp_path / "one")
        assert (out / "manifest.csv").read_text() == (tmp_path / "one/manifest.csv").read_text()


def test_files_that_come_later_move_no_other(
    names: Path, tmp_path: Path, preparing: Preparing
) -> None:
    """They fall to shards of their own; those of a shard that saw less are not lost."""
    before = {file.name: shard_of(file.name, 4) for file in names.iterdir()}
    prepare_shards(names, tmp_path / "out", 4, [0, 1, 2])
    for number in range(100, 120):
        (names / f"{number:05}.mp4").write_text(str(number))
    prepare_shards(names, tmp_path / "out", 4, [3, 2, 1, 0])
    assert set(preparing.done.values()) == {1}
    assert len(preparing.done) == 60
    assert {name: shard_of(name, 4) for name in before} == before
    lines = (tmp_path / "out/manifest.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == sorted(preparing.done)


def test_shards_are_balanced() -> None:
    """Of ten thousand clips in eight shards none has a twentieth more than its part."""
    counts = Counter(shard_of(f"Action/Happy/{number:04}.mp4", 8) for number in range(10_000))
    assert sorted(counts) == list(range(8))
    assert max(counts.values()) < 1.05 * 1250


def test_who_works_on_the_same_is_refused(tmp_path: Path) -> None:
    """The same shard, all of it, or another number of shards; other shards work beside it."""
    out = tmp_path / "out"
    with own_share(out, 4, 0):
        with own_share(out, 4, 1):
            pass
        for shards, shard in ((4, 0), (1, None), (2, 1)):
            refused = pytest.raises(RunError, match="0of4 belongs to process")
            with refused, own_share(out, shards, shard):
                pass
    refused = pytest.raises(RunError, match="out belongs to process")
    with own_share(out, 1, None), refused, own_share(out, 4, 1):
        pass
    assert not out.exists()


def test_a_face_may_keep_the_name_that_lists_have(
    command: Command, demo: Path, tmp_path: Path
) -> None:
    """As of AffectNet's CSV, whatever the ending; one that no face can keep is refused."""
    face = next((demo / "RAF-DB/basic/Image/aligned").glob("*.jpg"))
    wall = np.full((160, 160, 3), 130, np.uint8)
    with Image.open(face) as opened:
        wall[10:150, 10:150] = np.asarray(opened.convert("RGB").resize((140, 140)))
    kinds = {"689/a.jpg": "JPEG", "690/a.PNG": "PNG", "690/b.tif": "TIFF"}
    for name, kind in kinds.items():
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wall).save(tmp_path / "p" / name, format=kind)
    line = ("images=p", "names=same", "size=64", "device=cpu")
    outcome = command("prepare", *line, "out=faces")
    assert outcome.code == 0, outcome.err
    for name, kind in kinds.items():
        with Image.open(tmp_path / "faces" / name) as made:
            assert (made.format, made.size) == (kind, (64, 64))
    Image.fromarray(wall).save(tmp_path / "p/c.webp")
    assert_one_line(command("prepare", *line, "out=faces"), "c.webp: with names=same")


def test_a_clip_within_another_ones_folder_is_refused(tmp_path: Path) -> None:
    """The folder of the one is made as a whole, and would take the other with it."""
    for name in ("clips/a.mp4", "clips/a/b.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"a\.mp4 would become the folder a, in which a/b\.mp4"):
        prepare_shards(tmp_path / "clips", tmp_path / "out", 1, [None])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["videos=full", "out=o"], "no videos in full"),
        (["videos=full", "images=full", "out=o"], "give one of afew="),
        (["images=full", "out=o", "shards=8"], "-m 'shard=range(8)'"),
        (["images=full", "out=o", "shards=8", "shard=8"], "shard=8 is out of range"),
        (["images=full", "out=o", "names=same", "faces=all"], "give faces=largest"),
    ],
)
def test_mistakes_are_one_line(
    command: Command, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Exit code 2, and nothing is written; also where a sweep typed it."""
    (tmp_path / "full").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "full/a.jpg")
    assert_one_line(command("prepare", *arguments), said)
    outcome = command("prepare", "-m", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "o").exists()


def test_the_list_that_the_documentation_makes_of_affectnet(tmp_path: Path) -> None:
    """Faces that were found, of the eight classes, each once; a damaged line is left out."""
    text = (Path(__file__).parents[3] / "docs/large_sets.md").read_text()
    code = text.split("```python\n")[1].split("```")[0].replace('"/data/', f'"{tmp_path}/')
    faces = tmp_path / "AffectNet_faces"
    faces.mkdir()
    (tmp_path / "AffectNet").mkdir()
    made = "source,status\n1/a.jpg,ok\n1/b.jpg,no_face\n2/c.jpg,ok\n2/d.jpg,ok\n3/e.jpg,ok\n"
    (faces / "manifest.csv").write_text(made)
    header = "subDirectory_filePath,face_x,expression\n"
    training = "1/a.jpg,0,1\n1/b.jpg,0,2\n2/c.jpg,0,9\n2/d.jpg,0,7\n2/d.jpg,0,7\n3/e.jpg,0\n"
    (tmp_path / "AffectNet/training.csv").write_text(header + training)
    (tmp_path / "AffectNet/validation.csv").write_text(f"{header}3/e.jpg,0,0\n")
    exec(code, {})
    assert (faces / "list.csv").read_text().splitlines() == [
        "path,label,split",
        "1/a.jpg,happiness,train",
        "2/d.jpg,contempt,train",
        "3/e.jpg,neutral,val",
    ]
