"""A setting of the C library that makes training on a CPU faster.

Activations of tens of MB lie above glibc's ceiling for reuse: each operation maps fresh pages, and
the kernel zeroes them one fault at a time. Keeping freed memory instead costs some resident memory.
FEWSHOT_FER_ALLOCATOR=0 switches it off.
"""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h
_TOP_PAD = 64 * 1024 * 1024  # bytes that the heap grows by at a time


def keep_freed_memory() -> bool:
    """Tell glibc to keep and reuse freed memory; call before the first large allocation.

    Returns whether it was done: on Linux with glibc, unless FEWSHOT_FER_ALLOCATOR=0.
    """
    if os.environ.get("FEWSHOT_FER_ALLOCATOR") == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, musl for one
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD))
    return all(mallopt(option, value) == 1 for option, value in settings)
