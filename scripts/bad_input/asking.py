"""Every case asked: good files made, one of them spoilt, a command typed."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bad_input import list_cases, picture_cases, run_cases, video_cases
from bad_input.case import LINE, WORKS, Case
from bad_input.good_files import TINY, write_csv, write_folder, write_rafdb
from bad_input.typing_commands import Outcome, inside, typed


@dataclass(frozen=True)
class Answer:
    """What a case came to; fits: as it must."""

    case: Case
    outcome: str
    line: str
    fits: bool


Words = tuple[str, ...]
RAFDB: Words = ("train", "paths.data=.", "dataset=rafdb_basic", "eval=basic_7w1s", *TINY)
OWN: Words = (
    "train",
    "dataset=folder",
    "dataset.root=faces",
    "eval=folder_5w5s",
    "eval.dataset.root=faces",
    *TINY,
)
CSV: Words = (
    "train",
    "dataset=csv",
    "dataset.file=list.csv",
    "eval=csv_5w5s",
    "eval.dataset.file=list.csv",
    *TINY,
)


def _trained(folder: Path) -> Path:
    write_rafdb(folder)
    begun = typed(*RAFDB, "hydra.run.dir=run", "episodes.save=episodes.npz")
    assert begun.code == 0, begun.err
    return folder / "run"


def _enrolled(folder: Path) -> Path:
    run = _trained(folder)
    write_folder(folder)
    stored = typed(
        "predict",
        "run=run",
        "support=faces",
        "enrol=store.pt",
        "images=faces/joy/0.jpg",
        "align=false",
    )
    assert stored.code == 0, stored.err
    shutil.copy(run / "best.pt", folder / "best.pt")
    return folder / "store.pt"


TEST: Words = (
    "test",
    "run=run",
    "test=basic_7w1s",
    "paths.data=.",
    "test.episodes=3",
    "test.n_way=2",
    "test.k_shot=1",
    "test.n_query=1",
    "device=cpu",
    "keep_embeddings=false",
)
KINDS: list[tuple[Callable[[], list[Case]], Callable[[Path], Path], Words]] = [
    (list_cases.label_lists, write_rafdb, RAFDB),
    (list_cases.csv_files, write_csv, CSV),
    (picture_cases.pictures, lambda root: write_folder(root) / "0.jpg", OWN),
    (picture_cases.folders, write_folder, OWN),
    (run_cases.checkpoints, lambda root: _trained(root) / "best.pt", TEST),
    (run_cases.configs, lambda root: _trained(root) / "config.yaml", TEST),
    (
        run_cases.episode_files,
        lambda root: _trained(root).parent / "episodes.npz",
        (*RAFDB, "episodes.load=episodes.npz"),
    ),
    (
        run_cases.support_stores,
        _enrolled,
        ("predict", "run=run", "support=store.pt", "images=faces/joy/0.jpg", "align=false"),
    ),
    (
        video_cases.videos,
        lambda root: video_cases.write_video(_trained(root).parent),
        ("predict", "run=run", "images=film.avi", "align=false"),
    ),
    (run_cases.caches, lambda root: _cache_of(root), TEST),
]
"""The cases of a kind, what makes the good files and names the one to spoil, what is typed then."""


def _cache_of(root: Path) -> Path:
    _trained(root)
    return max((root / "cache/packs").glob("*.npy"), key=lambda path: path.stat().st_size)


def ask_all(only: str = "") -> Iterator[Answer]:
    """Yield the answers to all cases, or to those whose kind begins with `only`."""
    for cases, make, words in KINDS:
        chosen = [case for case in cases() if case.kind.startswith(only)]
        if chosen:
            with tempfile.TemporaryDirectory() as made:
                yield from _ask_kind(Path(made), chosen, make, words)


def _ask_kind(
    base: Path, cases: list[Case], make: Callable[[Path], Path], words: Words
) -> Iterator[Answer]:
    """Make the good files once; every case spoils a copy."""
    good = base / "good"
    good.mkdir()
    with inside(good):
        spoilt = make(good).relative_to(good)
    for number, case in enumerate(cases):
        folder = base / str(number)
        shutil.copytree(good, folder, symlinks=True)
        with inside(folder):
            case.spoil(folder / spoilt)
            outcome = typed(*words)
            left = (folder / run_cases.MARK).exists()
        yield _judged(case, outcome, left)
        shutil.rmtree(folder)


def _judged(case: Case, outcome: Outcome, left: bool) -> Answer:
    if left:
        return Answer(case, "RAN CODE", "", False)
    if outcome.code == 0:
        return Answer(case, WORKS, "", case.outcome == WORKS)
    if outcome.is_one_line:
        fits = case.outcome == LINE and case.says in outcome.line
        return Answer(case, LINE, outcome.line, fits)
    return Answer(case, f"code {outcome.code}", outcome.line, False)
