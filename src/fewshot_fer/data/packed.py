"""Packed pixels in use: read row by row, each held against its checksum every time."""

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.errors import DataError

SUM = np.dtype("<u4")  # of an image's bytes: CRC-32, 2.9 GB/s on one core, 0.3 ms of a step's 150


@dataclass
class PackedFaces:
    """images: uint8 [N, 3, H, W], row i is row i of the table; fingerprint: of files and size.

    file: where they lie, None for images in memory alone; sums [N]: what they must add up to;
    mend: writes some rows anew.
    """

    images: NDArray[np.uint8]
    fingerprint: str
    file: Path | None = None
    sums: NDArray[np.uint32] | None = None
    mend: Callable[[NDArray[np.int64]], None] | None = None

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images [B, 3, H, W] of rows [B]; those that a disk has damaged are made anew.

        Raises DataError if the file was cut off since it was opened, or cannot be mended.
        """
        self._require_whole()
        pixels = self.images[rows]
        damaged = self._damaged(rows, pixels)
        if len(damaged):
            assert self.mend is not None
            self.mend(damaged)
            pixels = self.images[rows]
            if len(self._damaged(rows, pixels)):
                raise DataError(f"{self.file} cannot be mended: delete it and run again")
        return pixels

    def _damaged(self, rows: NDArray[np.int64], pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        if self.sums is None:
            return np.zeros(0, dtype=np.int64)
        own = zip(rows, pixels, strict=True)
        bad = [row for row, image in own if zlib.crc32(image.data) != self.sums[row]]
        return np.unique(np.array(bad, dtype=np.int64))

    def _require_whole(self) -> None:
        """A map of a file that has become shorter ends the process without a word."""
        if self.file is None:
            return
        try:
            size = os.stat(self.file).st_size  # noqa: PTH116 - a microsecond, before every batch
        except FileNotFoundError:
            return  # deleted, but what is mapped stays
        if size < getattr(self.images, "offset", 0) + self.images.nbytes:  # a map has an offset
            raise DataError(f"{self.file} was cut off while it was in use: run again")
