"""Faults of lists of clips, of their frames, and of a folder that `check data=` is given."""

import shutil
from pathlib import Path

from bad_input.case import LINE, WORKS, Case, as_it_is, gone, gone_folder, on, replaced, text
from bad_input.good_files import TINY, picture, write_layout
from fewshot_fer.data.adapters.dfew import LISTS

WORDS = ("train", "dataset=dfew", "eval=dfew_4w1s", "paths.data=.", *TINY)
UNKNOWN = ("check", "data=folder")
TEST_1 = f"{LISTS}/test(single-labeled)/set_1.csv"
TRAIN_2 = f"{LISTS}/train(single-labeled)/set_2.csv"


def write_clips(root: Path) -> Path:
    """Write DFEW as published, two clips a class in fold 1; return its folder."""
    return write_layout("dfew", root, people=4)


def write_unknown(root: Path) -> Path:
    """Write a folder that holds DFEW; return the folder."""
    (root / "folder").mkdir()
    write_clips(root / "folder")
    return root / "folder"


def clip_lists() -> list[Case]:
    """The folder of DFEW, of which lists and frames are damaged."""
    kind = "lists of clips (DFEW)"
    first = on(f"Clip/clip_224x224/{1:05}", shutil.rmtree)
    return [
        Case(kind, "a label that counts from 0", on(TEST_1, replaced(b"1,1", b"1,0")), LINE, "'0'"),
        Case(kind, "no header", on(TEST_1, replaced(b"video_name", b"x")), LINE, "video_name"),
        Case(kind, "a line without a label", on(TEST_1, replaced(b"1,1", b"1")), LINE, "line 2"),
        Case(kind, "an empty list", on(TEST_1, text("")), LINE, "is empty"),
        Case(kind, "bytes that are no text", on(TEST_1, text(b"\xff\xfe\0x")), LINE, "as text"),
        Case(
            kind, "a clip of two classes", on(TRAIN_2, replaced(b"1,1", b"1,2")), LINE, "2, but 1"
        ),
        Case(kind, "a clip that two folds test", _tested_twice, LINE, "tested by fold 1 too"),
        Case(kind, "videos in the place of frames", _videos, LINE, "fewshot_fer.prepare videos="),
        Case(kind, "no frames at all", on("Clip", gone_folder), LINE, "dfew not found"),
        Case(kind, "a fold without its lists", on(TRAIN_2, gone), WORKS),
        Case(kind, "a clip that is listed twice", on(TEST_1, _last_line_twice), WORKS),
        Case(kind, "a clip without a folder", first, WORKS),
    ]


def unknown_folders() -> list[Case]:
    """The folder that `check data=` is given."""
    kind, another = "a folder for check data=", (*UNKNOWN, "dataset=dfew")
    return [
        Case(kind, "a data set in it", as_it_is, WORKS),
        Case(kind, "missing", gone_folder, LINE, "is not there"),
        Case(kind, "empty", on("DFEW", gone_folder), LINE, "is empty"),
        Case(kind, "a file in its place", _file, LINE, "is a file"),
        Case(kind, "pictures without classes", _album, LINE, "their classes are not known"),
        Case(
            kind, "a list with a wrong line", on(f"DFEW/{TEST_1}", text("x")), LINE, "no data set"
        ),
        Case(kind, "another setting beside it", as_it_is, LINE, "has no part", words=another),
    ]


def _last_line_twice(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]))


def _tested_twice(folder: Path) -> None:
    other = folder / TEST_1.replace("set_1", "set_2")
    other.write_text(other.read_text() + "1,1\n")


def _videos(folder: Path) -> None:
    shutil.rmtree(folder / "Clip/clip_224x224")
    (folder / "Clip/original").mkdir()
    (folder / "Clip/original/00001.mp4").write_bytes(b"")


def _file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("path,label\n")


def _album(folder: Path) -> None:
    shutil.rmtree(folder / "DFEW")
    picture(1).save(folder / "1.jpg")
