"""One process at a time where several would make the same file."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger("fewshot_fer")

AT_ONCE = 0.1  # seconds after which waiting is worth a word


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Hold the lock `file`, which is made if need be; wait, with a line, while another holds it.

    The system gives it back when its holder ends, however that ends. On a file system without locks
    nothing is held: then the same work may be done twice, and the last to finish counts.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        try:
            lock.acquire(timeout=AT_ONCE)
        except Timeout:
            log.info("waiting for another process that makes %s", file.stem)
            lock.acquire()
    except NotImplementedError:  # as filelock reports such a file system
        yield
        return
    try:
        yield
    finally:
        lock.release()
