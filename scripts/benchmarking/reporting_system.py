"""Runs that nobody trained, for a report of many."""

import importlib
import sys
from pathlib import Path

from benchmarking.setting import Setting
from benchmarking.worker import seconds_of

TESTS = Path(__file__).resolve().parents[2] / "tests"  # whose tests of reports need such runs too


class Fabricating:
    """setting.faces: pictures that the runs are on; setting.cache: the folder of the runs."""

    def __init__(self, setting: Setting) -> None:
        self.pictures, self.runs = setting.faces, setting.cache
        sys.path.append(str(TESTS))
        self.fabricate = importlib.import_module("fabricated").main

    def write(self, runs: int) -> float:
        """Return seconds for `runs` runs with weights, each on every picture."""
        images = sum(1 for _ in self.pictures.iterdir())
        write = lambda: self.fabricate(self.runs, runs, images, str(self.pictures))  # noqa: E731
        return seconds_of(write, "cpu")
