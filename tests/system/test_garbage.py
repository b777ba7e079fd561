"""Loading without a search for garbage changes nothing that can be seen afterwards."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot_fer.system.garbage import loading


@pytest.mark.parametrize("enabled", [True, False])
def test_searches_again_as_before(enabled: bool) -> None:
    """Also where what is loaded fails to load."""
    before = gc.isenabled()

    def load() -> None:
        with loading():
            assert not gc.isenabled()
            raise ImportError

    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(ImportError):
            load()
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_what_was_loaded_is_not_searched_again() -> None:
    """Only what was loaded: garbage of a process that had all of it is still found."""
    code = """
import gc
from fewshot_fer.system.garbage import loading
with loading():
    import decimal
print(gc.get_freeze_count() > 0)
gc.unfreeze()
with loading():
    import decimal
print(gc.get_freeze_count() > 0)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "False"]


def test_an_end_without_a_search_keeps_what_is_registered_and_open(tmp_path: Path) -> None:
    """What others registered with atexit runs, before or after; an open file is written out."""
    code = """
import atexit, gc, sys
from fewshot_fer.system.garbage import end_without_searching
atexit.register(lambda: print("earlier", gc.get_freeze_count() > 0))
end_without_searching()
end_without_searching()
atexit.register(lambda: print("later", gc.get_freeze_count() > 0))
left = open(sys.argv[1], "w")
left.write("whole")
"""
    command = [sys.executable, "-c", code, str(tmp_path / "left")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["later", "False", "earlier", "True"]
    assert (tmp_path / "left").read_text() == "whole"


def test_searches_where_a_library_counts_what_is_left() -> None:
    """Triton's and ONNX's bindings print what they call leaks where nothing has searched."""
    code = """
import atexit, gc
from fewshot_fer.system.garbage import end_without_searching
atexit.register(lambda: print(gc.get_freeze_count()))
end_without_searching()
gc.freeze()
nb_meta = type("nb_meta", (type,), {"__module__": "nanobind"})
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["0"]
