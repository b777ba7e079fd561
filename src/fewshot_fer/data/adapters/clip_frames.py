"""Read the frames of video clips that lie in folders, a folder a clip, for data sets with lists."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import Image

from fewshot_fer.config.quoting import command_line
from fewshot_fer.data.listing import (
    VIDEO_ENDINGS,
    child,
    contents,
    folders_in,
    image_names_in,
    images_in,
    left_out_remarks,
    natural_key,
)
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.progress import tqdm

FEW = 16  # frames, which networks for videos take
NO_FACE = "noface"  # in the name of a frame that shows none, as `prepare` writes them
FRAMES = 3  # of a drawn clip
log = logging.getLogger("fewshot_fer")


class Clip(NamedTuple):
    """A clip of a data set. key: its name there, unique; split: as in a FaceTable."""

    key: str
    label: str
    spelling: str
    split: str


@dataclass
class _Read:
    """What lies in the folders of clips: a row a frame, by column, and what is to be said of it."""

    columns: dict[str, list[object]] = field(
        default_factory=lambda: {name: [] for name in ("path", "frame", *Clip._fields)}
    )
    lost: dict[str, str] = field(default_factory=dict)  # split/key -> class
    few: list[tuple[int, str]] = field(default_factory=list)
    n_without_face: int = 0
    endings: Counter[str] = field(default_factory=Counter)


def clip_key(name: str) -> str:
    """Return what the ways to write one clip share: 12, 00012 and 00012.mp4, in any case.

    >>> clip_key("Action/Happy/0267"), clip_key("00012.mp4")
    ('action/happy/267', '12')
    """
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - of a million names
    parts = (stem if ending.lower() in VIDEO_ENDINGS else name).casefold().split("/")
    return "/".join(str(int(p)) if p.isdecimal() else p for p in parts)


def clip_folders(root: Path, depth: int) -> dict[str, str]:
    """Return key -> folder for all folders that lie `depth` levels below another one."""
    level = {"": str(root)}
    for _ in range(depth):
        level = {
            f"{above}/{folder.name}".lstrip("/"): str(folder)
            for above, within in level.items()
            for folder in folders_in(Path(within))
        }
    found: dict[str, str] = {}
    for name, folder in level.items():
        found.setdefault(clip_key(name), folder)
    return found


def find_frames(places: Sequence[Path], clips: Sequence[Clip], depth: int) -> dict[str, str] | None:
    """Return key -> folder of the first place that holds folders of any of the clips, if one does.

    Some archives hold a folder in itself.
    """
    wanted = {clip_key(clip.key) for clip in clips}
    for place in places:
        for root in (place, child(place, place.name)):
            if root and root.is_dir() and wanted & (found := clip_folders(root, depth)).keys():
                return found
    return None


def need_extraction(name: str, places: Sequence[Path], depth: int, out: Path) -> DataError | None:
    """Return the error for videos where folders of frames should be, with what to type; else None.

    depth: levels of folders above the videos, at most; out: where the frames are then looked for.
    """
    for place in places:
        level = [place]
        for _ in range(depth):
            if videos := next(filter(None, (images_in(p, VIDEO_ENDINGS) for p in level)), None):
                line = command_line("prepare", videos=place, out=out)
                return DataError(
                    f"{name}: {videos[0].parent} holds videos ({contents(videos[0].parent)}), and "
                    f"there are no frames: extract the faces by {line}, then type the same again"
                )
            level = [below for above in level for below in folders_in(above)]
    return None


def read_frames_of(
    name: str, clips: Sequence[Clip], folders: dict[str, str], remarks: Sequence[str]
) -> pd.DataFrame:
    """Return the FaceTable of all frames of the clips that have any, a clip a group.

    folders: key -> folder of a clip; remarks: what is known before. Frames without a face
    (`*noface*`) are left out, and counted in `frame`. Clips of few frames are kept. A clip without
    any frame stands in attrs["lost_clips"], split/key -> class.
    """
    read = _Read()
    for clip in tqdm(clips, desc=f"listing clips of {name}", unit="clip", disable=None, delay=2):
        _add(read, clip, folders.get(clip_key(clip.key)))
    read.columns["clip"] = read.columns.pop("key")
    table = pd.DataFrame(read.columns, copy=False).assign(dataset=name)
    known = {clip_key(clip.key) for clip in clips}
    said = [*remarks, *_remarks(read, [key for key in folders if key not in known])]
    if read.lost:
        some = ", ".join(key.partition("/")[2] for key in [*read.lost][:3])
        log.warning("%s: %d of %d clips without frames: %s", name, len(read.lost), len(clips), some)
    made = make_table(table, remarks=[f"{name}: {remark}" for remark in said])
    made.attrs["lost_clips"] = read.lost
    return made


def _add(read: _Read, clip: Clip, folder: str | None) -> None:
    names = image_names_in(Path(folder), left_out=read.endings) if folder else []
    names.sort(key=natural_key)
    kept = [number for number, name in enumerate(names) if NO_FACE not in name.casefold()]
    read.n_without_face += len(names) - len(kept)
    if not kept or folder is None:
        read.lost[f"{clip.split}/{clip.key}"] = clip.label
        return
    if len(names) < FEW:
        read.few.append((len(names), clip.key))
    within = os.path.join(folder, "")  # noqa: PTH118 - no Path object a frame
    read.columns["path"] += [within + names[number] for number in kept]
    read.columns["frame"] += kept
    for column, value in clip._asdict().items():
        read.columns[column] += [value] * len(kept)


def _remarks(read: _Read, unknown: Sequence[str]) -> Iterator[str]:
    if read.few:
        least, key = min(read.few)
        yield (
            f"{len(read.few)} clip(s) of fewer than {FEW} frames are kept, the shortest is {key} "
            f"with {least}"
        )
    if read.lost:
        yield f"{len(read.lost)} listed clip(s) have no frame: they count as lost"
    if read.n_without_face:
        yield f"{read.n_without_face} frame(s) without a face are left out"
    if unknown:
        yield f"{len(unknown)} folder(s) of clips that no list names are left out"
    yield from left_out_remarks(read.endings, "the folders of clips")


def write_drawn_clip(folder: Path, picture: Image.Image, n_frames: int = FRAMES) -> None:
    """Write a drawn picture as the frames of a clip, in which the camera moves a little."""
    folder.mkdir(parents=True)
    side = picture.width - 2 * n_frames
    for number in range(n_frames):
        left, top = 2 * number, number
        frame = picture.crop((left, top, left + side, top + side)).resize(picture.size)
        frame.save(folder / f"{number + 1:05}.jpg", quality=92)
