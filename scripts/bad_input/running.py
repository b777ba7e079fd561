"""Run every case: make good files, damage one of them, type a command, compare its outcome."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from comparing_runs import differences

from bad_input import page_cases
from bad_input.case import LINE, STOPS, WORKS, Case
from bad_input.commands import Words
from bad_input.kinds import KINDS, Kind
from bad_input.run_faults import MARK
from bad_input.typing_commands import Outcome, blank_pictures, inside, typed


@dataclass(frozen=True)
class CaseResult:
    """What a case came to; fits: whether as it must."""

    case: Case
    outcome: str
    line: str
    fits: bool


def run_all(only: str = "") -> Iterator[CaseResult]:
    """Yield the results of all cases, or of those whose kind begins with `only`."""
    for kind in (kind for kinds in KINDS.values() for kind in kinds):
        chosen = [case for case in kind.cases() if case.kind.startswith(only)]
        pictures = contextlib.nullcontext() if kind.drawn else blank_pictures()
        if chosen:
            with tempfile.TemporaryDirectory() as made, pictures:
                yield from _run_kind(Path(made), chosen, kind)
    if page_cases.KIND.startswith(only):
        for case, reply, fits in page_cases.pages():
            yield CaseResult(case, case.outcome if fits else "otherwise", reply, fits)


def _run_kind(base: Path, cases: list[Case], kind: Kind) -> Iterator[CaseResult]:
    """Make the good files once; every case spoils a copy."""
    good = base / "good"
    good.mkdir()
    with inside(good):
        spoilt = kind.make(good).relative_to(good)
    for number, case in enumerate(cases):
        folder = base / str(number)
        words = case.words or kind.words
        shutil.copytree(good, folder, symlinks=True)
        with inside(folder):
            case.spoil(folder / spoilt)
            with case.during():
                outcome = typed(*words)
            left = (folder / MARK).exists()
            missing = outcome.code == 0 and not has_results(folder, words)
            whole = folder / "whole"
            differ = differences(whole, folder / "run") if whole.exists() else []
        yield _judged(case, outcome, left, missing, differ)
        shutil.rmtree(folder)


def has_results(folder: Path, words: Words) -> bool:
    """Tell whether a command left what it is for: figures that are numbers, rows, a manifest."""
    if words[0] == "prepare":
        tables = [folder / "frames/manifest.csv"]
    elif words[0] == "check":
        return bool(list(folder.glob("outputs/check/*/check.json")))
    elif words[0] == "predict":
        tables = list(folder.glob("outputs/predict/*/predictions.csv"))
    elif "resume=run" in words:
        tables = [folder / "run/results.csv"]
    elif "sweep=transfer" in words:
        tables = list(folder.glob("outputs/sweeps/*/*/results.csv"))
    else:
        tables = list(folder.glob(f"outputs/{words[0]}/*/results.csv"))
    return bool(tables) and all(map(_has_figures, tables))


def _has_figures(file: Path) -> bool:
    if not file.is_file():
        return False
    table = pd.read_csv(file)
    figures = table[["accuracy", "loss"]] if "accuracy" in table else table.iloc[:, :1]
    return len(table) > 0 and bool(figures.notna().all(axis=None))


def _judged(
    case: Case, outcome: Outcome, left: bool, missing: bool, differ: list[str]
) -> CaseResult:
    if outcome.code == 0 and differ:
        return CaseResult(case, f"differs in {', '.join(differ)}", "", False)
    if left:
        return CaseResult(case, "RAN CODE OR WROTE ELSEWHERE", "", False)
    if missing:
        return CaseResult(case, "no results", outcome.err.strip()[-300:], False)
    if outcome.code == 0:
        line = " ".join(outcome.err.split())
        return CaseResult(case, WORKS, line, case.outcome == WORKS and case.says in line)
    if outcome.is_one_line:
        fits = case.outcome == LINE and case.says in outcome.line
        return CaseResult(case, LINE, outcome.line, fits)
    if outcome.code in (130, 143) and "resume=" in outcome.err:
        line = f"code {outcome.code}: {' '.join(outcome.err.split())}"
        return CaseResult(case, STOPS, line, case.outcome == STOPS and case.says in line)
    return CaseResult(case, f"code {outcome.code}", outcome.line, False)
