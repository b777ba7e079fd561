"""Shards of the embeddings that tests need: several commands, each on a GPU of its own, make them
together, and the test that follows finds them kept."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.evaluation.embedder import Embedder, batch_size
from fewshot_fer.evaluation.tasks import FixedTask, Task


def embed_shard(
    embedder: Embedder, tasks: Sequence[Task], seed: int, shard: int, shards: int
) -> int:
    """Embed a shard's part of all images that tasks need; return how many these are.

    embedder: one that keeps embeddings in a folder. The parts of all shards are those images, each
    once.
    """
    assert embedder.kept is not None
    own = copy.copy(embedder)
    own.kept = replace(embedder.kept, part=f"{shard}of{shards}")
    tables: dict[str, FaceImages] = {}
    needed: dict[str, list[NDArray[np.int64]]] = {}
    for images, rows in (each for task in tasks for each in _needed(task, seed)):
        tables[images.fingerprint] = images
        neutral = [] if images.neutral is None else [np.flatnonzero(images.neutral.is_neutral)]
        needed.setdefault(images.fingerprint, []).extend([rows, *neutral])
    count = 0
    for fingerprint, images in tables.items():
        batch = batch_size(images.device, images.side)
        rows = rows_of_shard(np.concatenate(needed[fingerprint]), shard, shards, batch)
        if len(rows):
            own.encode(images, rows)
        count += len(rows)
    return count


def rows_of_shard(
    rows: NDArray[np.int64], shard: int, shards: int, batch: int
) -> NDArray[np.int64]:
    """Return the rows that fall to a shard: every so many-th batch of all, in order, so that it
    embeds the very batches that one command would."""
    distinct = np.unique(rows)
    at_a_time = min(batch, -(-len(distinct) // shards))
    batches = np.arange(len(distinct)) // max(1, at_a_time)
    own: NDArray[np.int64] = distinct[batches % shards == shard]
    return own


def _needed(task: Task, seed: int) -> list[tuple[FaceImages, NDArray[np.int64]]]:
    """Return the images, and which of their rows, that an evaluation embeds."""
    if isinstance(task, FixedTask):
        every = np.arange(len(task.protocol.table))
        return [(task.images, every), (task.support_images, task.protocol.support.images())]
    drawn, of_clips = task.protocol.draw(seed).images(), task.protocol.of_clips
    return [(task.images, drawn if of_clips is None else of_clips.clips.frames_of(drawn))]
