"""Two settings of memory that make training and embedding on a CPU faster.

Activations of tens of MB lie above glibc's ceiling for reuse: each operation maps fresh pages, and
the kernel zeroes them one fault at a time. Keeping freed memory instead costs some resident memory.
And in pages of 2 MB in the place of 4 KB a processor finds its way through such memory with 512
times fewer look-ups; Linux gives them to programs that ask (madvise).
FEWSHOT_FER_ALLOCATOR=0 switches both off.
"""

import ctypes
import mmap
import os
import sys
from functools import cache
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h
_TOP_PAD = 64 * 1024 * 1024  # bytes that the heap grows by at a time
_ROOM = 8 * 1024**3  # bytes of the heap in large pages, and at most half of what the machine has


def keep_freed_memory() -> bool:
    """Tell glibc to keep and reuse freed memory, in large pages where the system has them; call
    before the first large allocation.

    Returns whether it was done: on Linux with glibc, unless FEWSHOT_FER_ALLOCATOR=0.
    """
    if os.environ.get("FEWSHOT_FER_ALLOCATOR") == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, musl for one
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD))
    done = all(mallopt(option, value) == 1 for option, value in settings)
    if done:
        _ask_for_large_pages()
    return done


@cache
def _ask_for_large_pages() -> None:
    """Let the heap grow once and freely: what is asked for is kept, and only what is written to
    becomes memory. Where address space is limited, or all of it counts as used, nothing is done."""
    import resource

    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    if advice is None or limited or _counts_addresses():
        return
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc.restype = ctypes.c_void_p
    size = min(_ROOM, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    start = libc.malloc(ctypes.c_size_t(size))
    if start is None:
        return
    aligned = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    whole = size - (aligned - start) - mmap.PAGESIZE
    libc.madvise(ctypes.c_void_p(aligned), ctypes.c_size_t(whole), advice)
    libc.free(ctypes.c_void_p(start))


def _counts_addresses() -> bool:
    """Tell whether the system lets programs ask for no more than there is (overcommit 2)."""
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2"
    except OSError:
        return True
