"""Print which data sets lie in a folder, and what to type next: the job of `check data=`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fewshot_fer.config.conf_files import conf_names, evals_of
from fewshot_fer.config.quoting import command_line, pasteable
from fewshot_fer.data.adapters.registry import adapter_names
from fewshot_fer.data.listing import as_on_disk, contents, images_in
from fewshot_fer.reports.audit.recognise import Fit, Near, Recognised, by, recognise_folder
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.system.errors import ConfigError, DataError
from fewshot_fer.system.files import write_text
from fewshot_fer.system.text import text_table

BESIDE = ("data=", "paths.outputs=", "hydra.")  # what may be typed with data=
COLUMNS = ("data set", "images", "clips", "groups", "classes", "officially", "splits")
MOST_SPLITS = 4  # that a line lists one by one
SHAPES = ("5w5s", "4w5s")
N_WAY = 5  # of training, unless it is set


def recognise_session(
    data: str, path: Path, words: Sequence[str], show: Callable[[str], None]
) -> None:
    """Show which data sets lie in a folder, and write it to check.json.

    words: what was typed; show: takes the text for the screen. Raises ConfigError where other
    settings are given besides, and DataError for a folder without any data set.
    """
    _require_alone(words, data)
    folder = as_on_disk(Path(data).expanduser().absolute())
    found = recognise_folder(folder)
    file = RunFolder(path).folder / "check.json"
    write_text(file, json.dumps(_as_json(folder, found), indent=2, ensure_ascii=False) + "\n")
    if not found.fits:
        if found.near:
            show(_near_text(found.near) + "\n")
        raise nothing_found(folder)
    show(recognised_text(folder, found))
    show(f"\nall of it is in {file}")


def recognised_text(folder: Path, found: Recognised) -> str:
    """Return data sets with their counts, by what they were told, the next line, what is near."""
    sure, others = found.sure, [fit for fit in found.fits if fit.against]
    blocks = []
    if sure:
        blocks = [f"{folder} holds {_sets(len(sure))}", _table(sure)]
        blocks += ["\n".join(line for fit in sure for line in _told(fit))]
    if others:
        lines = [f"  {fit.adapter.name}: {' and '.join(fit.against)}" for fit in others]
        blocks.append("\n".join(["could be read, but by its pictures it is none:", *lines]))
    if found.near:
        blocks.append(_near_text(found.near))
    best = found.fits[0]
    blocks.append(f"next, for {best.adapter.name}:\n    {next_line(best)}")
    return "\n\n".join(blocks)


def next_line(fit: Fit) -> str:
    """Return the command that trains and evaluates on a data set, to be pasted."""
    name = fit.adapter.name
    place: dict[str, Any] = {"paths.data": fit.folder}
    if fit.adapter.anyones:
        key, value = (
            ("file", Path(fit.settings.file)) if fit.settings.file else ("root", fit.folder)
        )
        place = {f"dataset.{key}": value, f"eval.dataset.{key}": value}
    words: dict[str, Any] = {"dataset": name}
    if name not in conf_names("dataset"):  # of a user's module
        return command_line("train", **{"dataset.adapter": name, "dataset.split": "all"}, **place)
    evaluations = evals_of(name)
    if evaluations:
        shaped = [f"{evaluations[0]}_{shape}" for shape in SHAPES]
        words["eval"] = next(
            (each for each in shaped if each in conf_names("eval")), evaluations[0]
        )
    if (n_classes := len(fit.classes)) < N_WAY:
        words |= {"train.n_way": n_classes, "eval.n_way": n_classes}
    return command_line("train", **words, **place)


def nothing_found(folder: Path) -> DataError:
    """Return the error for a folder in which no data set is recognised."""
    if images_in(folder):
        return DataError(
            f"{folder} holds pictures right in it and no data set that is known: their classes are "
            f"not known; put the pictures of each class into a folder of its name, or "
            f"write a list with the columns path,label for dataset=csv dataset.file=list.csv"
        )
    tried = ", ".join(adapter_names())
    return DataError(
        f"{folder} holds no data set that is known ({tried}); found {contents(folder)}. Faces of "
        f"your own are read from <class>/*.jpg by dataset=folder "
        f"{pasteable('dataset.root', folder)}, or by dataset=csv dataset.file=list.csv"
    )


def _require_alone(words: Sequence[str], data: str) -> None:
    others = [word for word in words if not word.lstrip("+").startswith(BESIDE)]
    if others:
        place = Path(data)
        raise ConfigError(
            f"{pasteable('data', place)} tries all data sets, in which {' '.join(others)} has no "
            f"part: leave that out, or type {pasteable('paths.data', place)} in its place to check "
            f"what you train on"
        )


def _sets(number: int) -> str:
    return "one data set" if number == 1 else f"{number} data sets"


def _table(fits: Sequence[Fit]) -> str:
    rows: list[tuple[str, ...]] = [COLUMNS]
    for fit in fits:
        numbers = (fit.n_images, fit.n_clips or "-", fit.n_groups or "-", len(fit.classes))
        official = "-" if fit.official is None else f"{fit.official} {fit.adapter.unit}"
        rows.append((fit.adapter.name, *map(str, numbers), official, _splits(fit)))
    return text_table(rows, left={0, len(COLUMNS) - 1})


def _splits(fit: Fit) -> str:
    folds = [split for split in fit.splits if split.startswith("fold")]
    others = {k: n for k, n in fit.splits.items() if k not in folds}
    listed = folds if len(folds) <= MOST_SPLITS else [f"{folds[0]} to {folds[-1]}"]
    own = [f"{split} {fit.splits[split]}" if split in fit.splits else split for split in listed]
    return ", ".join([*own, *(f"{split} {number}" for split, number in others.items())])


def _told(fit: Fit) -> list[str]:
    """Return lines on where a data set lies, by what it was told, and its classes."""
    by_what = [f"files as {fit.adapter.layout}"]
    if fit.adapter.pictures:
        by_what = [f"names such as {fit.example}"]
    if fit.size:
        by_what.append(f"pictures of {by(fit.size)}")
    if fit.official is not None:
        same = "are the published ones" if fit.apart == 0 else "differ from the published ones"
        by_what.append(f"counts {same}")
    classes = ", ".join(f"{label} {number}" for label, number in fit.classes.items())
    return [
        f"{fit.adapter.name}: images such as {fit.example} under {fit.root}",
        f"    told by {'; '.join(by_what)}",
        f"    {classes}",
    ]


def _near_text(near: Sequence[Near]) -> str:
    return "\n".join(["not read:", *(f"  {one.name}: {one.missing}" for one in near)])


def _as_json(folder: Path, found: Recognised) -> dict[str, Any]:
    fits = [
        {
            "dataset": fit.adapter.name,
            "folder": str(fit.folder),
            "root": str(fit.root),
            "images": fit.n_images,
            "clips": fit.n_clips,
            "groups": fit.n_groups,
            "classes": fit.classes,
            "splits": fit.splits,
            "official": fit.official,
            "against": list(fit.against),
            "next": next_line(fit),
        }
        for fit in found.fits
    ]
    near = [{"dataset": one.name, "missing": one.missing} for one in found.near]
    return {"data": str(folder), "fits": fits, "near": near}
