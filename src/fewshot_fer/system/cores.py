"""The cores there are for the work of this process, and how its threads wait for one another.

A machine may have more cores than a process may use: its affinity names some of them, and a control
group of Linux, which containers and batch systems are made of, limits the time on all of them.
"""

import math
import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path, PurePosixPath

THREADS = "OMP_NUM_THREADS"
WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
"""Variables that say how OpenMP's threads wait; whichever is set is the user's choice."""
SPINS = "2000"  # some tenth of a millisecond: a wait is shorter where no thread lacks a core
PROC = Path("/proc/self")


def wait_without_spinning(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the threads of this process, and of those it starts, soon sleep while they wait.

    GNU's OpenMP, which torch has on Linux, reads it once, when torch is imported. Longer spinning
    takes cores that other processes could use, and each thread then waits for one that has none.
    """
    if not WAITING & environment.keys():
        environment["GOMP_SPINCOUNT"] = SPINS


def given_threads(environment: Mapping[str, str] = os.environ, name: str = THREADS) -> int | None:
    """Return the threads that the user gave OpenMP, None where it is to find them itself."""
    first = environment.get(name, "").partition(",")[0].strip()  # one for each nested level
    return int(first) if first.isdecimal() and int(first) > 0 else None


def core_count() -> int:
    """Return the cores that affinity and control groups leave this process; at least 1.

    A part of a core counts as one: the threads of a quota of 1.5 are two.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min(cores, quota(PROC))))


def quota(proc: Path) -> float:
    """Return the cores that control groups allow a process, infinity for no limit.

    proc: its folder in /proc, of which `cgroup` names its groups and `mountinfo` where they lie. A
    group has no more than each of those above it. Files that cannot be read limit nothing.
    """
    return min((_limit(folder) for folder in _groups(proc)), default=math.inf)


def _groups(proc: Path) -> Iterator[Path]:
    """Yield the folders of the groups that limit a process, each with those above it."""
    mounts = list(_mounts(_read(proc / "mountinfo")))
    for line in _read(proc / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        kind = "cgroup2" if (number, controllers) == ("0", "") else "cgroup"
        if kind == "cgroup" and "cpu" not in controllers.split(","):
            continue
        for mounted, root, place, options in mounts:
            if mounted != kind or (kind == "cgroup" and "cpu" not in options):
                continue
            below = _below(PurePosixPath(name), PurePosixPath(root))
            yield from (place / each for each in (below, *below.parents))


def _mounts(text: str) -> Iterator[tuple[str, str, Path, list[str]]]:
    """Yield kind, root, place and options of each control group's file system in a mountinfo."""
    for line in text.splitlines():
        own, _, system = line.partition(" - ")
        fields, kind = own.split(" "), system.split(" ")
        if len(fields) > 4 and len(kind) > 2 and kind[0] in ("cgroup", "cgroup2"):
            root, place = (_unescaped(each) for each in fields[3:5])
            yield kind[0], root, Path(place), kind[2].split(",")


def _below(name: PurePosixPath, root: PurePosixPath) -> PurePosixPath:
    """Return a group's name within a mount that shows `root` alone, as a container's does."""
    if name.is_relative_to(root) and ".." not in name.parts:
        return name.relative_to(root)
    return PurePosixPath()  # of a namespace whose names begin above: what is seen is its own


def _limit(group: Path) -> float:
    """Return the cores that one group allows."""
    words = _read(group / "cpu.max").split()
    if not words:  # of the first version, which has a file for each of the two
        words = [*_read(group / "cpu.cfs_quota_us").split()]
        words += _read(group / "cpu.cfs_period_us").split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):  # "max", -1, none there
        return math.inf
    time, period = map(int, words)
    return time / period if time and period else math.inf


def _unescaped(text: str) -> str:
    """Return a path of mountinfo, which writes a blank as \\040."""
    for code, letter in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, letter)
    return text


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
