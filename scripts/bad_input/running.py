"""Run every case: make good files, damage one of them, type a command, compare its outcome."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from comparing_runs import differences

from bad_input import (
    fault_cases,
    list_cases,
    page_cases,
    picture_cases,
    run_cases,
    set_cases,
    video_cases,
    weight_cases,
)
from bad_input.case import LINE, STOPS, WORKS, Case
from bad_input.commands import (
    AFEW,
    CARD,
    COMPOUND,
    CSV,
    LONG,
    MIXED,
    OWN,
    OWN_SUPPORT,
    PREDICT,
    RAFDB,
    TEST,
    Words,
)
from bad_input.good_files import (
    write_afew,
    write_class_folders,
    write_compound,
    write_csv,
    write_folder,
    write_mixed,
    write_rafdb,
)
from bad_input.run_faults import MARK
from bad_input.typing_commands import Outcome, inside, typed


@dataclass(frozen=True)
class CaseResult:
    """What a case came to; fits: whether as it must."""

    case: Case
    outcome: str
    line: str
    fits: bool


def _trained(folder: Path) -> Path:
    write_rafdb(folder)
    begun = typed(*RAFDB, "hydra.run.dir=run", "episodes.save=episodes.npz")
    assert begun.code == 0, begun.err
    return folder / "run"


def _stopped(folder: Path) -> Path:
    """Return a run as it is when it is stopped in front of its tests."""
    run = _trained(folder)
    (run / "summary.json").unlink()
    return run


def _enrolled(folder: Path) -> Path:
    run = _trained(folder)
    write_folder(folder)
    stored = typed(*PREDICT, "support=faces", "enrol=store.pt", "images=faces/joy/0.jpg")
    assert stored.code == 0, stored.err
    shutil.copy(run / "best.pt", folder / "best.pt")
    return folder / "store.pt"


def _with_support(folder: Path) -> Path:
    _trained(folder)
    made = write_folder(folder)
    for name in ("calm", "tired"):
        shutil.copytree(made, made.with_name(name))
    return made


def _cache_of(root: Path) -> Path:
    _trained(root)
    return max((root / "cache/packs").glob("*.npy"), key=lambda path: path.stat().st_size)


KINDS: list[tuple[Callable[[], list[Case]], Callable[[Path], Path], Words]] = [
    (list_cases.label_lists, write_rafdb, RAFDB),
    (list_cases.compound_lists, write_compound, COMPOUND),
    (set_cases.class_folders, write_class_folders, RAFDB),
    (set_cases.clips, write_afew, AFEW),
    (set_cases.mixed_sets, write_mixed, MIXED),
    (list_cases.csv_files, write_csv, CSV),
    (list_cases.own_supports, write_csv, OWN_SUPPORT),
    (picture_cases.pictures, lambda root: write_folder(root) / "0.jpg", OWN),
    (set_cases.folders, write_folder, OWN),
    (weight_cases.weights, weight_cases.write_weights, (*RAFDB, "backbone.weights=weights.pth")),
    (weight_cases.safetensors_files, weight_cases.write_safetensors, CARD),
    (run_cases.checkpoints, lambda root: _trained(root) / "best.pt", TEST),
    (run_cases.configs, lambda root: _trained(root) / "config.yaml", TEST),
    (run_cases.stopped_runs, _stopped, ("train", "resume=run")),
    (
        run_cases.episode_files,
        lambda root: _trained(root).parent / "episodes.npz",
        (*RAFDB, "episodes.load=episodes.npz"),
    ),
    (
        run_cases.support_stores,
        _enrolled,
        (*PREDICT, "support=store.pt", "images=faces/joy/0.jpg"),
    ),
    (
        set_cases.rejecting_supports,
        _with_support,
        (*PREDICT, "support=faces", "images=RAF-DB", "reject=0.2"),
    ),
    (
        video_cases.videos,
        lambda root: video_cases.write_video(_trained(root).parent),
        (*PREDICT, "images=film.avi"),
    ),
    (
        video_cases.films,
        video_cases.write_films,
        ("prepare", "afew=AFEW", "out=frames", "device=cpu", "jobs=1"),
    ),
    (run_cases.caches, _cache_of, TEST),
    (fault_cases.faults, write_rafdb, LONG),
    (fault_cases.kills, write_rafdb, ("train", "resume=run")),
]
"""The cases of a kind, what makes the good files and names the one to spoil, what is typed then."""


def run_all(only: str = "") -> Iterator[CaseResult]:
    """Yield the results of all cases, or of those whose kind begins with `only`."""
    for cases, make, words in KINDS:
        chosen = [case for case in cases() if case.kind.startswith(only)]
        if chosen:
            with tempfile.TemporaryDirectory() as made:
                yield from _run_kind(Path(made), chosen, make, words)
    if page_cases.KIND.startswith(only):
        for case, reply, fits in page_cases.pages():
            yield CaseResult(case, case.outcome if fits else "otherwise", reply, fits)


def _run_kind(
    base: Path, cases: list[Case], make: Callable[[Path], Path], words: Words
) -> Iterator[CaseResult]:
    """Make the good files once; every case damages a copy."""
    good = base / "good"
    good.mkdir()
    with inside(good):
        spoilt = make(good).relative_to(good)
    for number, case in enumerate(cases):
        folder = base / str(number)
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
    elif words[0] == "predict":
        tables = list(folder.glob("outputs/predict/*/predictions.csv"))
    elif "resume=run" in words:
        tables = [folder / "run/results.csv"]
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
