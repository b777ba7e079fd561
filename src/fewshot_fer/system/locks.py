"""Locks: a folder of results, or a file of the cache, belongs to one process at a time.

The system gives a lock back when its holder ends, however that ends: a run that was killed can be
resumed at once. A forked child does not keep it; one that is started anew never has it.
"""

import contextlib
import errno
import json
import logging
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from fewshot_fer.system.errors import RunError
from fewshot_fer.system.files import write_text, writing

LOCK, OWNER = ".lock", ".owner.json"  # of a folder: what is locked, and who did
PATIENCE = 0.1  # seconds of waiting without a message
ENDING = 1.0  # seconds for a process that is ending, or has not yet written who it is
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
log = logging.getLogger("fewshot_fer")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Hold the lock `file`, which is made if need be; wait, with a line, while another holds it.

    For what all may use once it is made. On a file system without locks nothing is held, and False
    is yielded: then the same work may be done twice, and the last to finish counts.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock, held = FileLock(file, fallback_to_soft=False), True
    try:
        if not (held := _acquired(lock, PATIENCE)):
            log.warning("%s lies on a file system without locks: nothing is held", file)
    except Timeout:
        log.info("waiting for another process that makes %s", file.stem)
        lock.acquire()
    try:
        yield held
    finally:
        lock.release()


@contextlib.contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Hold a folder of results for this process alone; it is made if need be.

    Folders that were made for it and are empty at the end are removed. Raises RunError that names
    the process, its machine and since when, where the folder belongs to another, and WriteError.
    It does not wait for the other one: that can take days, and what was typed twice by mistake
    would then write over what the first has just written.
    """
    folder = folder.absolute()  # a plugin may change the working folder
    with writing(folder):
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        lock = _own(folder)
    owner = folder / OWNER
    try:
        write_text(owner, json.dumps(_this_process(), ensure_ascii=False) + "\n")
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone
            owner.unlink(missing_ok=True)
            Path(lock.lock_file).unlink()  # while it is held: who waits for it looks for a new one
        lock.release()
        if sys.platform == "win32":  # where a file that is open, here or elsewhere, stays
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink()
        with contextlib.suppress(OSError):  # one that is not empty stays, and those above it
            for path in made:
                path.rmdir()


def _own(folder: Path) -> BaseFileLock:
    """Return the folder's lock, held. Raises RunError where another process holds it."""
    lock: BaseFileLock = FileLock(folder / LOCK, fallback_to_soft=False)
    advice = "wait until that has ended, or name another folder"
    try:
        if not _acquired(lock, ENDING):
            log.warning("%s lies on a file system without locks: a file stands for one", folder)
            (folder / LOCK).unlink(missing_ok=True)
            lock = SoftFileLock(folder / f"{LOCK}.file")  # broken where its process is dead
            advice += f"; if it ended without a word on another machine, remove {lock.lock_file}"
            lock.acquire(timeout=ENDING)
    except Timeout as error:
        raise RunError(f"{folder} belongs to {_owner(folder)}: {advice}") from error
    return lock


def _acquired(lock: BaseFileLock, timeout: float) -> bool:
    """Acquire a lock; return False on a file system without any. Raises Timeout."""
    try:
        lock.acquire(timeout=timeout)
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def _this_process() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join(sys.orig_argv),
    }


def _owner(folder: Path) -> str:
    """Return who holds a folder, in words."""
    try:
        known = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        words = f"process {known['pid']} on {known['host']} since {known['since']}"
        return f"{words} ({known['command']})"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
