"""Images of a table: decoded once into a memory-mapped file, and gathered by row number."""

import contextlib
import logging
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.cache_folder import cache_folder, writing_cache
from fewshot_fer.data.decode import decode
from fewshot_fer.data.fingerprint import (
    Sources,
    file_digests,
    pictures_digest,
    pixels_digest,
)
from fewshot_fer.data.neutral import NeutralFaces, neutral_faces
from fewshot_fer.data.pack_file import new_pack, open_pack, write_pack
from fewshot_fer.system.cores import core_count
from fewshot_fer.system.device import room_for_images, to_device
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.locks import locked
from fewshot_fer.system.progress import tqdm

BLOCK = 256  # images that are under way at a time
CHANGED = "images were changed while they were read: run again"
log = logging.getLogger("fewshot_fer")


@dataclass
class PackedFaces:
    """images: uint8 [N, 3, H, W], row i is row i of the table; fingerprint: of contents and size.

    file: where they lie, None for images in memory alone; pictures: 16 hex digits of the contents
    of the files that they were decoded from; sums: CRC-32 [N] of each image's bytes, None where
    they are not known; compared: which images [N] were held against them, None for all.
    """

    images: NDArray[np.uint8]
    fingerprint: str
    file: Path | None = None
    pictures: str = ""
    sums: NDArray[np.uint32] | None = None
    compared: NDArray[np.bool_] | None = None

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images [B, 3, H, W] of rows [B].

        Raises DataError if the file was cut off since it was opened, or is damaged.
        """
        self._require_whole()
        images: NDArray[np.uint8] = self.images[rows]
        if self.compared is not None:
            self._compare(rows, images)
        return images

    def _compare(self, rows: NDArray[np.int64], images: NDArray[np.uint8]) -> None:
        """Hold images that are read for the first time against their checksums."""
        assert self.compared is not None
        assert self.sums is not None
        for place in np.flatnonzero(~self.compared[rows]).tolist():
            if zlib.crc32(images[place].data) != self.sums[rows[place]]:
                if self.file is not None:
                    self.file.unlink(missing_ok=True)
                raise DataError(f"{self.file} is damaged, and removed: run again to make it anew")
        self.compared[rows] = True

    def _require_whole(self) -> None:
        """Raise DataError where a read of a file that became shorter would end the process."""
        if self.file is None:
            return
        try:
            size = os.stat(self.file).st_size  # noqa: PTH116 - a microsecond, before every batch
        except FileNotFoundError:
            return  # deleted, but what is mapped stays
        if size < getattr(self.images, "offset", 0) + self.images.nbytes:  # a map has an offset
            raise DataError(f"{self.file} was cut off while it was in use: run again")


class FaceImages:
    """The images of one table, gathered by row number.

    On a CPU the pixels stay in the memory-mapped file and only gathered rows are read. On a GPU all
    of them are copied there once (84x84 pixels: 21 kB an image) or, where there is no room for all,
    a batch at a time. neutral: None where embeddings are not taken relative to neutral faces;
    on_device: whether all are copied, None: as there is room.
    """

    def __init__(
        self,
        packed: PackedFaces,
        device: torch.device,
        neutral: NeutralFaces | None = None,
        on_device: bool | None = None,
    ) -> None:
        self.fingerprint = packed.fingerprint
        self.pictures = packed.pictures
        self.neutral = neutral
        self.device = device
        self._packed = packed
        self._resident: Tensor | None = None
        if device.type == "cuda" and on_device is None:
            on_device = _has_room(packed, device)
        if on_device:
            self._resident = torch.empty(packed.images.shape, dtype=torch.uint8, device=device)
            for rows in np.array_split(np.arange(len(self)), len(self) // BLOCK + 1):
                self._resident[rows[0] : rows[-1] + 1] = torch.from_numpy(packed.take(rows)).to(
                    device
                )

    def __len__(self) -> int:
        return len(self._packed.images)

    def pixels(self, row: int) -> NDArray[np.uint8]:
        """Return the image [3, H, W] of a row, in memory of its own."""
        image: NDArray[np.uint8] = self._packed.take(np.array([row]))[0]
        return image

    def checksums(self) -> NDArray[np.uint32]:
        """Return the CRC-32 [N] of each image's bytes."""
        if self._packed.sums is not None:
            return self._packed.sums
        return np.array([zlib.crc32(image.data) for image in self._packed.images], dtype=np.uint32)

    @property
    def side(self) -> int:
        """Pixels a side."""
        return int(self._packed.images.shape[3])

    @property
    def on_device(self) -> bool:
        """Whether all images lie on the device."""
        return self._resident is not None

    def resident(self, rows: Tensor) -> Tensor:
        """Return uint8 images [B, 3, H, W] of table rows [B] that are on the device themselves, as
        all images are."""
        assert self._resident is not None
        return self._resident.index_select(0, rows)

    def gather(self, rows: NDArray[np.int64]) -> Tensor:
        """Return uint8 images [B, 3, H, W] of table rows [B], on the device."""
        if self._resident is not None:
            return self._resident[to_device(torch.from_numpy(rows), self.device)]
        return to_device(torch.from_numpy(self._packed.take(rows)), self.device)


def _has_room(packed: PackedFaces, device: torch.device) -> bool:
    """Tell whether a GPU has room for all images; where it has none, a line says so."""
    needed, room = packed.images.nbytes, room_for_images(device)
    if needed > room:
        log.warning(
            "%s images take %.1f GB, and the GPU has room for %.1f GB: each batch is read from "
            "%s when its turn comes",
            *(f"{len(packed.images):,}", needed / 1e9, room / 1e9, packed.file or "memory"),
        )
    return needed <= room


def load_images(
    table: pd.DataFrame, image_size: int, device: torch.device, relative: bool = False
) -> FaceImages:
    """Decode the images of a table into the cache, or open them there.

    relative: their embeddings are taken relative to their subjects' neutral faces.
    """
    neutral = neutral_faces(table) if relative else None
    return FaceImages(pack(table, image_size, cache_folder()), device, neutral)


def pack(table: pd.DataFrame, image_size: int, cache: Path) -> PackedFaces:
    """Return the images of a FaceTable, decoded now or found in the cache.

    They are found by the contents of the files, wherever these lie, and by `image_size` (pixels a
    side). Where a file changes all are decoded anew, and so are they where the pack is damaged.
    Raises DataError naming the first file that is missing or damaged, and where files change
    meanwhile or the cache cannot be written.
    """
    paths = table["path"].tolist()
    digests = file_digests(paths, cache)
    fingerprint = pixels_digest(digests, image_size)
    file = cache / "packs" / f"{fingerprint}.npy"
    shape = (len(paths), 3, image_size, image_size)
    opened = open_pack(file, shape)
    if opened is None:
        with (
            writing_cache("packed images", file.parent),
            locked(cache / "locks" / f"{fingerprint}.lock") as held,
        ):
            opened = open_pack(file, shape)  # another process may have made it meanwhile
            if opened is None:
                file.parent.mkdir(parents=True, exist_ok=True)
                _clear(file)
                with new_pack(file, lasting=held) as partial:
                    sources = Sources.of(paths, cache)
                    write_pack(partial, shape, lambda done: _decode(sources, image_size, done))
                    for now in (sources.digests, file_digests(paths, cache)):
                        if not np.array_equal(now, digests):
                            raise DataError(CHANGED)
                opened = open_pack(file, shape)
    if opened is None:
        raise DataError(f"{file} was changed while it was read; run again")
    images, sums, compared = opened
    left = None if compared else np.zeros(len(images), dtype=bool)
    return PackedFaces(images, fingerprint, file, pictures_digest(digests), sums, left)


def _clear(file: Path) -> None:
    """Remove a damaged pack, and what killed processes left; the lock's holder alone writes."""
    if file.exists():
        log.warning("%s is damaged: its images are decoded again", file)
    for torn in (file, *file.parent.glob(f".{file.name}.*")):
        torn.unlink(missing_ok=True)


def _decode(sources: Sources, image_size: int, done: int) -> Iterator[list[NDArray[np.uint8]]]:
    """Yield the pixels of all files but the first `done`, in order, a block at a time.

    Pillow decodes without holding up other threads. Raises DataError where a file is changed
    meanwhile: a block that is written may be kept by another process.
    """
    count = len(sources.paths)
    bar = tqdm(
        total=count, initial=done, desc="packing images", unit="image", disable=None, delay=1
    )
    with contextlib.closing(bar), ThreadPoolExecutor(core_count()) as pool:
        for start in range(done, count, BLOCK):
            paths = sources.paths[start : start + BLOCK]
            block = list(pool.map(decode, paths, [image_size] * len(paths)))
            if not sources.unchanged(slice(start, start + BLOCK)):
                raise DataError(CHANGED)
            yield block
            bar.update(len(block))
