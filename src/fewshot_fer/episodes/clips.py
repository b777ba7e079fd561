"""Clips of a table of frames, for episodes whose way, shot and query count clips."""

import logging
import os
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.data.listing import natural_key
from fewshot_fer.episodes.pool import EpisodePool
from fewshot_fer.system.errors import EpisodeError

Rows = NDArray[np.int64]
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Clips:
    """C clips and their frames.

    table [C]: a FaceTable of one row a clip, that of its first frame; frames [F]: rows of the
    frames' table, those of a clip next to one another and in order; sizes [C]: how many are each's.
    """

    table: pd.DataFrame
    frames: Rows
    sizes: Rows

    @property
    def starts(self) -> Rows:
        """Where each clip [C] begins in `frames`."""
        return np.cumsum(self.sizes) - self.sizes

    def frames_of(self, clips: Rows) -> Rows:
        """Return the rows of the frames of some clips, clip after clip."""
        return self.frames[_ranges(self.starts[clips], self.sizes[clips])]

    def numbers_of(self, rows: Rows) -> Rows:
        """Return the number of the clip that each of these rows is a frame of."""
        order = np.argsort(self.frames)
        places = order[np.searchsorted(self.frames, rows, sorter=order)]
        return np.repeat(np.arange(len(self.sizes)), self.sizes)[places]

    def sampled(self, count: int | None) -> "Clips":
        """Return the clips with `count` frames each, evenly spaced; all of one that has no more.

        None: all frames.
        """
        if count is None:
            return self
        taken = np.minimum(self.sizes, count)
        number = _ranges(np.zeros_like(taken), taken)  # of a frame among those that are taken
        sizes, counts = np.repeat(self.sizes, taken), np.repeat(taken, taken)
        places = np.repeat(self.starts, taken) + evenly_spaced(number, sizes, counts)
        return Clips(self.table, self.frames[places], taken)

    def without_other_frames(self) -> tuple[Rows, "Clips"]:
        """Return which rows of the frames' table are a clip's [F], ascending, and the clips over a
        table of these rows alone."""
        rows = np.sort(self.frames)
        return rows, Clips(self.table, np.searchsorted(rows, self.frames), self.sizes)

    def draw_frames(self, clips: Rows, count: int, random: np.random.Generator) -> Rows:
        """Return rows [..., count] of frames of clips [...]: one of each of `count` equal parts.

        Sparse sampling (Wang et al., Temporal Segment Networks, ECCV 2016, section 3.1): frame i of
        a clip of n is floor((i + u) n / count), u uniform in 0..1. A clip of fewer frames gives
        some of them several times.
        """
        parts = np.arange(count) + random.random((*clips.shape, count))
        sizes = self.sizes[clips][..., None]
        places = np.floor(parts * sizes / count).astype(np.int64)
        return self.frames[self.starts[clips][..., None] + np.minimum(places, sizes - 1)]


@dataclass(frozen=True)
class ClipEpisodes:
    """What a protocol needs to draw and score episodes of clips.

    pool: of the clips; pooling: how the embeddings of frames become one (mean, attention); vote:
    how frames decide a clip, where they are classified one by one; whole: the table of all frames,
    which may have more than are sampled.
    """

    clips: Clips
    pool: EpisodePool
    whole: pd.DataFrame = field(repr=False)
    pooling: str = "mean"
    vote: str = "probability"

    @property
    def table(self) -> pd.DataFrame:
        return self.clips.table

    @property
    def named_table(self) -> pd.DataFrame:
        """The table with the key of each clip as its path, and the data set where two have one."""
        table = self.table
        keys = table["clip"].where(table["clip"] != "", table["path"])
        return table.assign(path=table["dataset"] + " " + keys if keys.duplicated().any() else keys)


def clips_of(table: pd.DataFrame, rows: Rows, what: str, key: str = "eval") -> Clips:
    """Return the clips that some rows of a FaceTable are frames of.

    Frames of a clip are ordered by number or, where they have none, by name. An image of no clip
    counts as a clip of one frame. key: of the settings, as in eval.unit. Raises EpisodeError naming
    `what` where no row has a clip.
    """
    named = table["clip"].to_numpy()[rows] != ""
    if not named.any():
        groups = int((table["group"] != table["path"]).to_numpy()[rows].sum())
        in_groups = f", {groups} of them with a group (which may be a subject)" if groups else ""
        raise EpisodeError(
            f"{what}: no clips to count: none of its {len(rows)} images{in_groups} is of a clip. "
            f"Take {key}.unit=image, a data set of clips (afew), or a CSV with the column clip"
        )
    if not named.all():
        stills = int((~named).sum())
        log.warning("%s: %d images of no clip count as clips of one frame", what, stills)
    faces = table.iloc[rows][["path", "label", "clip", "frame", "dataset"]].assign(row=rows)
    faces["still"] = faces["path"].where(faces["clip"] == "", "")
    by_clip = faces.groupby(["dataset", "label", "clip", "still"], sort=False)
    faces["number"] = by_clip.ngroup()
    if (faces["frame"] < 0).any():  # without numbers, frame2 comes before frame10
        keys = [natural_key(path.rpartition(os.sep)[2]) for path in faces["path"]]
        faces = faces.iloc[sorted(range(len(keys)), key=keys.__getitem__)]
    faces = faces.sort_values(["number", "frame"], kind="stable")
    frames = faces["row"].to_numpy(dtype=np.int64)
    sizes = np.bincount(faces["number"]).astype(np.int64)
    first = frames[np.cumsum(sizes) - sizes]
    return Clips(table.iloc[first].reset_index(drop=True), frames, sizes)


def evenly_spaced(number: Rows, size: Rows, count: Rows) -> Rows:
    """Return which of `size` frames is the given one of `count`, counted from 0: the frame in the
    middle of each of `count` equal parts, floor((number + 1/2) size / count).

    >>> evenly_spaced(np.arange(4), np.array(10), np.array(4)).tolist()
    [1, 3, 6, 8]
    """
    place: Rows = (2 * number + 1) * size // (2 * count)
    return place


def _ranges(starts: Rows, sizes: Rows) -> Rows:
    """Return the numbers from each start, as many as its size, one range after another."""
    before = np.cumsum(sizes) - sizes
    ranges: Rows = np.arange(sizes.sum()) + np.repeat(starts - before, sizes)
    return ranges
