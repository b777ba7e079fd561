"""Which cores a process may use, by its control groups, and how its threads wait."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot_fer.system import cores
from fewshot_fer.system.cores import core_count, given_threads, quota, wait_without_spinning

V1, V2 = "cgroup", "cgroup2"
PERIOD = 100_000
QUOTAS = st.none() | st.integers(1_000, 6_400_000)
"""Microseconds of a period; None for no limit."""


def mountinfo(place: Path, kind: str, root: str = "/") -> str:
    """Return the line of a control group's file system as Linux writes it."""
    options = "rw,cpu,cpuacct" if kind == V1 else "rw"
    shown, where = (str(each).replace(" ", r"\040") for each in (root, place))
    return f"36 25 0:30 {shown} {where} rw,nosuid - {kind} cgroup {options}\n"


def write_limit(group: Path, kind: str, microseconds: int | None) -> None:
    group.mkdir(parents=True, exist_ok=True)
    if kind == V2:
        shown = "max" if microseconds is None else microseconds
        (group / "cpu.max").write_text(f"{shown} {PERIOD}\n")
    else:
        shown = -1 if microseconds is None else microseconds
        (group / "cpu.cfs_quota_us").write_text(f"{shown}\n")
        (group / "cpu.cfs_period_us").write_text(f"{PERIOD}\n")


def write_proc(root: Path, kind: str, name: str, mounted: str = "/") -> tuple[Path, Path]:
    """Return a process's folder and that of the groups' file system."""
    proc, place = root / "proc", root / "sys fs" / "cgroup"
    proc.mkdir(parents=True)
    line = f"0::{name}" if kind == V2 else f"3:cpuset:/other\n4:cpu,cpuacct:{name}"
    (proc / "cgroup").write_text(f"{line}\n", encoding="utf-8")
    other = "24 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    (proc / "mountinfo").write_text(other + mountinfo(place, kind, mounted), encoding="utf-8")
    return proc, place


@given(kind=st.sampled_from([V1, V2]), limits=st.lists(QUOTAS, min_size=1, max_size=5))
def test_the_least_of_nested_quotas_holds(
    tmp_path_factory: pytest.TempPathFactory, kind: str, limits: list[int | None]
) -> None:
    """A group of no limit, or a larger one, lies in one that has a smaller, at any depth."""
    names = [f"level {depth}" for depth in range(len(limits) - 1)]
    proc, place = write_proc(tmp_path_factory.mktemp("groups"), kind, "/" + "/".join(names))
    for depth, limit in enumerate(limits):
        write_limit(place.joinpath(*names[:depth]), kind, limit)
    expected = min((limit / PERIOD for limit in limits if limit is not None), default=math.inf)
    assert quota(proc) == expected


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_files_of_any_content_limit_nothing_or_something_above_nothing(
    tmp_path_factory: pytest.TempPathFactory, group: str, mounts: str, limit: str
) -> None:
    proc, place = write_proc(tmp_path_factory.mktemp("any"), V2, "/")
    place.mkdir(parents=True)
    for file, text in (
        (proc / "cgroup", f"{group}\n0::/\n"),
        (proc / "mountinfo", f"{mounts}\n{mountinfo(place, V2)}"),
        (place / "cpu.max", limit),
    ):
        file.write_text(text, encoding="utf-8")
    assert quota(proc) > 0


@pytest.mark.parametrize("kind", [V1, V2])
def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path, kind: str) -> None:
    """Its group has the name that it has outside, and what is mounted begins there."""
    name = "/docker/0123abcd"
    proc, place = write_proc(tmp_path, kind, name, mounted=name)
    write_limit(place, kind, 150_000)
    assert quota(proc) == 1.5


@pytest.mark.parametrize("name", ["/../outside", "/elsewhere"])
def test_a_group_that_lies_outside_what_is_mounted(tmp_path: Path, name: str) -> None:
    """Of a namespace that was entered later: what is mounted holds for it."""
    proc, place = write_proc(tmp_path, V2, name, mounted="/of this one")
    write_limit(place, V2, 300_000)
    assert quota(proc) == 3


def test_without_control_groups_nothing_is_limited(tmp_path: Path) -> None:
    assert quota(tmp_path) == math.inf


@pytest.mark.parametrize(
    ("microseconds", "affinity", "expected"),
    [(150_000, 64, 2), (10_000, 64, 1), (None, 64, 64), (6_400_000, 3, 3), (200_000, 64, 2)],
)
def test_cores_that_a_process_may_really_use(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    microseconds: int | None,
    affinity: int,
    expected: int,
) -> None:
    """A container with a quota of 1.5 of 64 cores has work for two threads, not for 64."""
    proc, place = write_proc(tmp_path, V2, "/")
    write_limit(place, V2, microseconds)
    monkeypatch.setattr(cores, "PROC", proc)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(affinity), raising=False)
    assert core_count() == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("3", 3), ("4,2", 4), (" 2 ", 2), ("", None), ("0", None), ("x", None)]
)
def test_what_the_user_gave_openmp_is_known(text: str, expected: int | None) -> None:
    assert given_threads({"OMP_NUM_THREADS": text}) == expected


@pytest.mark.parametrize(
    "given_before",
    [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "5"}, {"OMP_WAIT_POLICY": ""}],
)
def test_waiting_that_the_user_chose_stays(given_before: dict[str, str]) -> None:
    environment = dict(given_before)
    wait_without_spinning(environment)
    assert environment == given_before


SHOWN = """
import os, sys
import fewshot_fer as ff
ff.UserError
assert "GOMP_SPINCOUNT" not in os.environ  # a library leaves its process as it is
from fewshot_fer.cli import main
sys.argv = ["train", "--help"]
main.launch("train", lambda settings, folder: None)
assert "torch" not in sys.modules
print(os.environ["GOMP_SPINCOUNT"])
"""


def test_a_verb_sets_it_before_torch_is_imported_and_the_library_does_not() -> None:
    free = {name: text for name, text in os.environ.items() if name not in cores.WAITING}
    done = subprocess.run(
        [sys.executable, "-c", SHOWN], capture_output=True, text=True, env=free, check=True
    )
    assert done.stdout.splitlines()[-1] == cores.SPINS


LIMITED = """
import sys
from pathlib import Path
from fewshot_fer.system import cores
cores.PROC = Path(sys.argv[1])
from fewshot_fer.system.device import prepare_device
import torch
torch.set_num_threads(4)
prepare_device("cpu", 0)
print(torch.get_num_threads())
"""


@pytest.mark.parametrize(("given_one", "expected"), [(None, "1"), ("4", "4")])
def test_torch_takes_no_more_threads_than_a_quota_allows(
    tmp_path: Path, given_one: str | None, expected: str
) -> None:
    """Unless the user says so: torch itself knows of affinity, and of no quota."""
    proc, place = write_proc(tmp_path, V2, "/batch/job")
    write_limit(place / "batch", V2, 50_000)
    environment = {name: text for name, text in os.environ.items() if name != cores.THREADS}
    if given_one:
        environment[cores.THREADS] = given_one
    words = [sys.executable, "-c", LIMITED, str(proc)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == expected
