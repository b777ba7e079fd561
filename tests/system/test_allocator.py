"""The two settings of memory: what they ask of the C library and the system, and when not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAP = """
import re
from pathlib import Path
{before}
from fewshot_fer.system.allocator import keep_freed_memory
done = keep_freed_memory()
regions = re.split(r"\\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
heaps = [region for region in regions if "[heap]" in region.splitlines()[0]]
resident = sum(int(re.search(r"Rss: +(\\d+)", heap)[1]) for heap in heaps)
print(done, any(re.search(r"VmFlags:.* hg", heap) for heap in heaps), resident < 200_000)
"""
OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
ON_LINUX = pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").is_dir()
    or OVERCOMMIT.read_text().strip() == "2",
    reason="needs Linux's large pages, and a system that does not count addresses as memory",
)


def said(before: str = "", **environment: str) -> str:
    """Return what a new process says: whether it was done, whether its heap may have large pages,
    and whether asking took no memory."""
    code = HEAP.format(before=before)
    own = {key: value for key, value in os.environ.items() if key != "FEWSHOT_FER_ALLOCATOR"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=own | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@ON_LINUX
def test_the_heap_may_have_large_pages_and_takes_no_memory_for_it() -> None:
    assert said() == "True True True"


@ON_LINUX
def test_switched_off_or_with_little_address_space_nothing_is_asked_for() -> None:
    """A limit of addresses leaves the rest of the setting as it is."""
    assert said(FEWSHOT_FER_ALLOCATOR="0") == "False False True"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))"
    assert said(limit) == "True False True"
