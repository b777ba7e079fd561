"""The file of a pack: an .npy file with the checksum of every image behind its end, where NumPy
does not look.

It is written in order rather than through a memory map: on a full disk a map dies without a word.
Checksums go to a file beside it while it grows. They say how far it came: a process that is killed
leaves images that the next one holds against them and goes on behind.
"""

import contextlib
import io
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.system.files import atomic
from fewshot_fer.system.progress import tqdm

SUM = np.dtype("<u4")  # of an image's bytes: CRC-32, 2.9 GB/s on one core
AT_ONCE = 2**30  # bytes of a pack that is held against its checksums when it is opened
CHUNK = 2**24  # bytes read at a time
Images = NDArray[np.uint8]
Sums = NDArray[np.uint32]
log = logging.getLogger("fewshot_fer")


def open_pack(file: Path, shape: tuple[int, ...]) -> tuple[Images, Sums, bool] | None:
    """Return the images [N, 3, H, W], mapped, their checksums [N], and whether they were compared.

    None where the file is not there, damaged or another one. Of a file above AT_ONCE only the form
    is looked at, since reading it would take longer than most of what it is opened for.
    """
    try:
        images = np.load(file, mmap_mode="r", allow_pickle=False)
        fits = isinstance(images, np.memmap) and images.shape == shape and images.dtype == np.uint8
        if not fits:
            return None
        sums = np.fromfile(file, SUM, offset=images.offset + images.nbytes)
        if len(sums) != len(images):
            return None
        compared = images.nbytes <= AT_ONCE
        if compared and _count_whole(file, images.offset, shape, sums) < len(sums):
            return None
    except Exception:  # a damaged file can look like a zip or a pickle
        return None
    return images, sums.astype(np.uint32), compared


@contextlib.contextmanager
def new_pack(file: Path, lasting: bool) -> Iterator[Path]:
    """Yield the path of a file for `write_pack` that becomes `file` once the block has ended.

    lasting: the same path for each process, which finds there what a killed one left; only for who
    holds a lock on it. A block that fails leaves nothing.
    """
    if not lasting:
        with atomic(file) as partial:
            yield partial
        return
    partial = file.with_name(f".{file.stem}.part")
    try:
        yield partial
        partial.replace(file)
    except Exception:  # not where a signal ends the process
        partial.unlink(missing_ok=True)
        raise


def write_pack(
    file: Path, shape: tuple[int, ...], blocks_from: Callable[[int], Iterator[list[Images]]]
) -> None:
    """Write images to `file`, behind those that are whole in it.

    blocks_from: from how many there are to the others, in order, some at a time.
    """
    kept = file.with_name(f"{file.name}.sums")
    try:
        header = _header(shape)
        done = _count_kept(file, kept, header, shape)
        if done:
            log.info("%d of %d images are packed already", done, shape[0])
        how = "r+b" if done else "wb"
        with file.open(how) as stream, kept.open(how) as sums:
            stream.write(header)
            stream.truncate(len(header) + done * _size(shape))
            sums.truncate(done * SUM.itemsize)
            for each in (stream, sums):
                each.seek(0, io.SEEK_END)
            for block in blocks_from(done):
                for image in block:
                    stream.write(image.data)
                stream.flush()  # before the checksums, of which none may be there without its image
                sums.write(np.array([zlib.crc32(image.data) for image in block], SUM).data)
                sums.flush()
            stream.write(kept.read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
    except Exception:
        kept.unlink(missing_ok=True)
        raise
    kept.unlink()


def _header(shape: tuple[int, ...]) -> bytes:
    """Return the bytes in front of the images of an .npy file."""
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape[1:]))


def _count_kept(file: Path, kept: Path, header: bytes, shape: tuple[int, ...]) -> int:
    """Return how many images a killed process left whole."""
    try:
        sums = np.fromfile(kept, SUM)[: shape[0]]
        with file.open("rb") as stream:
            if stream.read(len(header)) != header:
                return 0
        return _count_whole(file, len(header), shape, sums)
    except OSError:
        return 0


def _count_whole(file: Path, offset: int, shape: tuple[int, ...], sums: NDArray[np.uint32]) -> int:
    """Return how many images, from the first on, have their checksums.

    Read in chunks: pages of a map would count as this process's memory.
    """
    size, known, done = _size(shape), sums.tolist(), 0
    at_a_time = max(1, CHUNK // size)
    bar = tqdm(total=len(known), desc="checking images", unit="image", disable=None, delay=2)
    with bar, file.open("rb") as stream:
        stream.seek(offset)
        while done < len(known):
            chunk = memoryview(stream.read(size * at_a_time))
            for start in range(0, len(chunk) - size + 1, size):
                if done == len(known) or zlib.crc32(chunk[start : start + size]) != known[done]:
                    return done
                done += 1
            bar.update(len(chunk) // size)
            if len(chunk) < size:
                break
    return done
