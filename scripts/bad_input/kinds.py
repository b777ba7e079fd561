"""The kinds of input, in groups: their cases, good files to damage, and what is typed then."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bad_input import (
    clip_cases,
    clip_list_cases,
    face_list_cases,
    fault_cases,
    layout_cases,
    list_cases,
    page_cases,
    picture_cases,
    recipe_cases,
    run_cases,
    set_cases,
    sweep_cases,
    union_cases,
    video_cases,
    weight_cases,
)
from bad_input.case import Case
from bad_input.commands import (
    AFEW,
    CARD,
    CLIPS,
    COMPOUND,
    CSV,
    CSV_CLIPS,
    LONG,
    MIXED,
    OWN,
    OWN_SUPPORT,
    PREDICT,
    RAFDB,
    SUBJECTS,
    TEST,
    Words,
    layout_words,
)
from bad_input.good_files import (
    write_afew,
    write_class_folders,
    write_compound,
    write_csv,
    write_folder,
    write_mixed,
    write_rafdb,
    write_subjects,
)
from bad_input.typing_commands import typed


@dataclass(frozen=True)
class Kind:
    """cases: ways to damage it; make: writes good files into a folder, returns the one to damage;
    words: what is typed then, where a case has no words of its own; drawn: whether pictures of
    curves and matrices are drawn, as the names of classes in them are tried too."""

    cases: Callable[[], list[Case]]
    make: Callable[[Path], Path]
    words: Words
    drawn: bool = False


def _trained(folder: Path) -> Path:
    write_rafdb(folder)
    begun = typed(*RAFDB, "hydra.run.dir=run", "episodes.save=episodes.npz")
    assert begun.code == 0, begun.err
    return folder / "run"


def _teaching(folder: Path) -> Path:
    write_rafdb(folder)
    begun = typed(*recipe_cases.TEACHER, "hydra.run.dir=run")
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


FILMS: Words = ("prepare", "afew=AFEW", "out=frames", "device=cpu", "jobs=1")
STORE: Words = (*PREDICT, "support=store.pt", "images=faces/joy/0.jpg")
KINDS: dict[str, list[Kind]] = {
    "Pictures and videos": [
        Kind(picture_cases.pictures, lambda root: write_folder(root) / "0.jpg", OWN),
        Kind(
            video_cases.videos,
            lambda root: video_cases.write_video(_trained(root).parent),
            (*PREDICT, "images=film.avi"),
        ),
        Kind(video_cases.films, video_cases.write_films, FILMS),
        Kind(video_cases.clips, video_cases.write_clips, video_cases.PREPARED),
        Kind(
            picture_cases.neutral_pictures,
            lambda root: write_folder(_trained(root).parent) / "0.jpg",
            (*PREDICT, "images=faces/joy/1.jpg", "neutral=faces/joy/0.jpg"),
        ),
        Kind(
            picture_cases.refined_folders,
            lambda root: write_folder(_trained(root).parent) / "0.jpg",
            (*PREDICT, "images=faces", "refine=true"),
        ),
    ],
    "Lists and folders": [
        Kind(list_cases.label_lists, write_rafdb, RAFDB),
        Kind(list_cases.compound_lists, write_compound, COMPOUND),
        Kind(set_cases.class_folders, write_class_folders, RAFDB),
        Kind(set_cases.clips, write_afew, AFEW),
        Kind(clip_cases.counted_clips, write_afew, CLIPS),
        Kind(set_cases.mixed_sets, write_mixed, MIXED),
        Kind(layout_cases.ckplus, layout_cases.write_ckplus, layout_words("ckplus")),
        Kind(layout_cases.oulu, layout_cases.write_oulu, layout_words("oulu_casia")),
        Kind(layout_cases.kdef, layout_cases.write_kdef, layout_words("kdef")),
        Kind(layout_cases.rafce, layout_cases.write_rafce, layout_words("rafce")),
        *(Kind(cases, write, layout_words(name)) for cases, write, name in face_list_cases.SETS),
        Kind(clip_list_cases.clip_lists, clip_list_cases.write_clips, clip_list_cases.WORDS),
        Kind(
            clip_list_cases.unknown_folders, clip_list_cases.write_unknown, clip_list_cases.UNKNOWN
        ),
        Kind(union_cases.unions, write_mixed, union_cases.UNION),
        Kind(list_cases.csv_files, write_csv, CSV, drawn=True),
        Kind(clip_cases.listed_clips, write_csv, CSV_CLIPS),
        Kind(list_cases.own_supports, write_csv, OWN_SUPPORT),
        Kind(
            list_cases.subject_lists,
            lambda root: write_subjects(_trained(root).parent),
            SUBJECTS,
        ),
        Kind(set_cases.folders, write_folder, OWN, drawn=True),
    ],
    "Configuration and command line": [
        Kind(set_cases.typed_paths, write_folder, OWN),
        Kind(sweep_cases.found_sets, write_mixed, sweep_cases.FOUND),
        Kind(weight_cases.typed_methods, write_rafdb, RAFDB),
        Kind(recipe_cases.typed_recipes, write_rafdb, RAFDB),
        Kind(run_cases.configs, lambda root: _trained(root) / "config.yaml", TEST),
    ],
    "Weights, checkpoints and runs": [
        Kind(
            weight_cases.weights,
            weight_cases.write_weights,
            (*RAFDB, "backbone.weights=weights.pth"),
        ),
        Kind(weight_cases.safetensors_files, weight_cases.write_safetensors, CARD),
        Kind(run_cases.checkpoints, lambda root: _trained(root) / "best.pt", TEST),
        Kind(recipe_cases.teachers, _teaching, recipe_cases.STUDENT),
        Kind(run_cases.stopped_runs, _stopped, ("train", "resume=run")),
        Kind(
            run_cases.episode_files,
            lambda root: _trained(root).parent / "episodes.npz",
            (*RAFDB, "episodes.load=episodes.npz"),
        ),
        Kind(run_cases.support_stores, _enrolled, STORE),
        Kind(
            set_cases.rejecting_supports,
            _with_support,
            (*PREDICT, "support=faces", "images=RAF-DB", "reject=0.2"),
        ),
    ],
    "The machine: disk, processes, terminals, network": [
        Kind(run_cases.caches, _cache_of, TEST),
        Kind(fault_cases.faults, write_rafdb, LONG),
        Kind(fault_cases.kills, write_rafdb, ("train", "resume=run")),
    ],
}
"""Group -> its kinds, in the order in which the table shows them."""


def grouped() -> Iterator[tuple[str, list[Case]]]:
    """Yield each group with all its cases; nothing is made or run."""
    for group, kinds in KINDS.items():
        yield group, [case for kind in kinds for case in kind.cases()]
    yield "The page", page_cases.cases()
