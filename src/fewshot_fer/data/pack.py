"""Every image of a table decoded once, into one memory-mapped array in the cache.

A pack is an .npy file with the checksum of every image behind its end, where NumPy does not look.

Packed pixels in use: read row by row, each held against its checksum every time.
"""

import contextlib
import hashlib
import logging
import os
import secrets
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from fewshot_fer.data.cache import VARIABLE, alone
from fewshot_fer.data.decode import decode
from fewshot_fer.data.jpeg import prepare_decoder
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.parallel import core_count

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


FORMAT = 2  # counts up whenever the same files would give other pixels
BLOCK = 256  # images that are under way at a time
log = logging.getLogger("fewshot_fer")


def pack(table: pd.DataFrame, image_size: int, cache: Path) -> PackedFaces:
    """Return the images of a FaceTable, decoded now or found in the cache.

    They are found by the path, size and time of change of every file and by `image_size` (pixels a
    side), so a changed file is decoded anew. Raises DataError naming the first file that is missing
    or damaged, and where the cache cannot be written.
    """
    paths = table["path"].tolist()
    fingerprint = files_fingerprint(paths, image_size)
    file = cache / "packs" / f"{fingerprint}.npy"
    shape = (len(paths), 3, image_size, image_size)
    found = _open(file, shape)
    if found is None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with alone(cache / "locks" / f"{fingerprint}.lock"):
                found = _open(file, shape)  # another process may have made it meanwhile
                if found is None:
                    _clear_partials(file)
                    _write(file, paths, shape)
        except OSError as error:
            reason = error.strerror or error
            raise DataError(
                f"cannot write packed images to {file.parent}: {reason}; "
                f"name another folder with the variable {VARIABLE}"
            ) from error
        found = _open(file, shape) if found is None else found
    if found is None:
        raise DataError(f"{file} was changed while it was read; run again")
    images, sums = found
    return PackedFaces(images, fingerprint, file, sums, partial(_mend, file, paths, image_size))


def files_fingerprint(paths: list[str], image_size: int) -> str:
    """Return what changes with any of the files or the size. Raises DataError where one is gone."""
    digest = hashlib.sha256(f"{FORMAT} {image_size}".encode())
    for path in paths:
        try:
            state = os.stat(path)  # noqa: PTH116 - a Path object a file costs as much as the stat
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        digest.update(
            f"\0{path}\0{state.st_size}\0{state.st_mtime_ns}".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


def _open(
    file: Path, shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint32]] | None:
    """Return the array in `file` and its checksums [N], or None if it is not there, torn or
    another one."""
    try:
        images = np.load(file, mmap_mode="r", allow_pickle=False)
        fits = isinstance(images, np.memmap) and images.shape == shape and images.dtype == np.uint8
        if not fits:
            return None
        sums = np.fromfile(file, SUM, offset=images.offset + images.nbytes)
    except Exception:  # a damaged file can look like a zip or a pickle: it is made again
        return None
    return (images, sums) if len(sums) == len(images) else None


def _clear_partials(file: Path) -> None:
    """Remove what killed processes left of this pack: who holds its lock is the only writer."""
    for torn in file.parent.glob(f".{file.name}.*"):
        torn.unlink(missing_ok=True)


def _mend(file: Path, paths: list[str], image_size: int, rows: NDArray[np.int64]) -> None:
    """Decode the images of some rows anew and write them where they belong.

    Raises DataError where a picture is gone or cannot be read any more.
    """
    log.warning(
        "%s: %d image(s) do not add up to their checksum, %s first: decoded again",
        file,
        len(rows),
        paths[rows[0]],
    )
    with alone(file.parent.parent / "locks" / f"{file.stem}.lock"), file.open("r+b") as stream:
        header = np.load(file, mmap_mode="r", allow_pickle=False)
        size = header[0].nbytes
        for row in rows:
            stream.seek(header.offset + int(row) * size)
            stream.write(decode(paths[row], image_size).data)
        stream.flush()
        os.fsync(stream.fileno())


def _write(file: Path, paths: list[str], shape: tuple[int, ...]) -> None:
    """Decode all paths into `file`, which appears whole or not at all.

    Written in order rather than through a memory map: on a full disk a map dies without a word.
    """
    # Machines that share a cache can share process numbers: a random part keeps writers apart.
    partial = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    try:
        with partial.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            sums = np.empty(len(paths), SUM)
            for row, pixels in enumerate(_decode_all(paths, shape[-1])):
                stream.write(pixels.data)
                sums[row] = zlib.crc32(pixels.data)
            stream.write(sums.data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _decode_all(paths: list[str], image_size: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the pixels of all paths in order. Pillow decodes without holding up other threads."""
    prepare_decoder(len(paths))
    bar = tqdm(total=len(paths), desc="packing images", unit="image", disable=None, delay=1)
    with contextlib.closing(bar), ThreadPoolExecutor(core_count()) as pool:
        for start in range(0, len(paths), BLOCK):
            block = paths[start : start + BLOCK]
            yield from pool.map(decode, block, [image_size] * len(block))
            bar.update(len(block))
