"""Sums of rows and pools in one pass over memory, compiled from rows.c where there is GCC.

Each of torch's additions reads and writes whole planes, which took a quarter of the time of
embedding with Conv-4. Compiled anew in every process that embeds, in a quarter of a second: nothing
is left on the disk that could be exchanged. The library must share the threads of torch, whose
OpenMP is GCC's on Linux and loaded before it: two sets would wait for one another.
"""

import ctypes
import logging
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

log = logging.getLogger("fewshot_fer")
SOURCE = Path(__file__).with_name("rows.c")
COMPILER = "gcc"
OPTIONS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
OPENMP = re.compile(r"/lib(gomp|iomp|omp)[^/]*$")
PATIENCE = 60  # seconds
PLANES = 8
_Pointers = ctypes.c_void_p * PLANES


class CompiledRows:
    """The functions of rows.c, for float32 tensors of images [B, H, W, C] that lie so."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        for name in ("spread_rows", "gather_rows", "pool_rows"):
            getattr(library, name).restype = None

    def spread(self, images: Tensor, strips: int) -> list[Tensor]:
        """Return the eight sums [B, strips, W, C] of rows that F(6, 3) multiplies, from images
        [B, 6 * strips + 2, W, C]."""
        count, rows, width, maps = images.shape
        planes = list(images.new_empty((PLANES, count, strips, width, maps)))
        sizes = (count, rows, strips, width * maps)
        self._library.spread_rows(_whole(images), _pointers(planes), *_longs(sizes), _threads())
        return planes

    def gather(self, made: list[Tensor], bias: Tensor, pooled: Tensor) -> None:
        """Fill pooled [B, h, w, F] with what the eight products [B, strips, W, F] make: rows, their
        2x2 max-pool, bias and ReLU."""
        count, strips, width, maps = made[0].shape
        sizes = (count, strips, width, maps, *pooled.shape[1:3])
        self._library.gather_rows(
            *(_pointers(made), _whole(bias), ctypes.c_void_p(pooled.data_ptr())),
            *(*_longs(sizes), *_steps(pooled), _threads()),
        )

    def pool(self, made: Tensor, pooled: Tensor) -> None:
        """Fill pooled [B, h, w, F] with the 2x2 max-pool and ReLU of made [B, H, W, F]."""
        sizes = (*made.shape, *pooled.shape[1:3])
        self._library.pool_rows(
            *(_whole(made), ctypes.c_void_p(pooled.data_ptr())),
            *(*_longs(sizes), *_steps(pooled), _threads()),
        )


@cache
def compiled_rows() -> CompiledRows | None:
    """Return the compiled functions, on Linux; None where there is no GCC, where they would not
    share torch's threads, and with FEWSHOT_FER_COMPILE=0."""
    compiler, off = shutil.which(COMPILER), os.environ.get("FEWSHOT_FER_COMPILE") == "0"
    if compiler is None or off or not sys.platform.startswith("linux"):
        return None
    try:
        before = _openmp_libraries()
        with TemporaryDirectory(prefix="fewshot_fer-", ignore_cleanup_errors=True) as folder:
            library = Path(folder) / "rows.so"
            words = [compiler, *OPTIONS, str(SOURCE), "-o", str(library)]
            subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE)
            compiled = CompiledRows(ctypes.CDLL(str(library)))
        return compiled if _openmp_libraries() == before else None
    except (OSError, AttributeError, subprocess.SubprocessError) as error:  # it must cost no run
        log.info("embedding without compiled sums of rows: %s", error)
        return None


def compiled_rows_for(like: Tensor) -> CompiledRows | None:
    """Return the compiled functions where they can take tensors like this one: float32."""
    return compiled_rows() if like.dtype == torch.float32 else None


def _openmp_libraries() -> set[str]:
    """Return the files of the OpenMP libraries that this process has loaded."""
    loaded = Path("/proc/self/maps").read_text().split()
    return {word for word in loaded if OPENMP.search(word)}


def _whole(tensor: Tensor) -> ctypes.c_void_p:
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())


def _pointers(tensors: list[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return _Pointers(*(_whole(tensor).value for tensor in tensors))


def _longs(sizes: tuple[int, ...]) -> tuple[ctypes.c_long, ...]:
    return tuple(map(ctypes.c_long, sizes))


def _steps(pooled: Tensor) -> tuple[ctypes.c_long, ctypes.c_long]:
    """Return how far images and rows [w, F] lie apart, in floats."""
    by_image, by_row, *within = pooled.stride()
    assert pooled.dtype == torch.float32
    assert within == [pooled.shape[3], 1]
    return ctypes.c_long(by_image), ctypes.c_long(by_row)


def _threads() -> ctypes.c_int:
    return ctypes.c_int(torch.get_num_threads())
