"""Write the embedded data set: several processes draw, one writes."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fewshot_fer.data.demo.actor import Drawn, Facts, play
from fewshot_fer.data.demo.plan import Shot, plan_shots
from fewshot_fer.data.labels import BASIC, COMPOUND
from fewshot_fer.system.files import atomic_folder
from fewshot_fer.system.processes import core_count, map_in_processes

_LABEL_FILE = "EmoLabel/list_patition_label.txt"
# Starting a process takes as long as drawing this many pictures saves.
_WORTH_A_PROCESS = 200
_MOST_PROCESSES = 16
# Shots in flight at once: bounds the memory that finished pictures wait in.
_SLAB = 2000
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_README = """Drawn by fewshot_fer (seed {seed}, scale {scale:g}); nobody in these faces exists.

Licence: CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/

RAF-DB/ and AFEW/ have the layouts of the data sets of those names, and none of their images.
labels.csv tells for every picture its class, person, clip, action units, strength and pose.
"""


def write_demo(root: Path, scale: float, seed: int, processes: int | None = None) -> None:
    """Draw the set into the folder ``root``, which appears whole or not at all.

    ``processes`` is the number of drawing processes; by default one a core, fewer for a small set.
    Raises WriteError.
    """
    shots = plan_shots(scale, seed)
    with atomic_folder(root) as folder:
        rows: list[Facts] = []
        for drawn in _draw(shots, seed, processes):
            target = folder / drawn.facts.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(drawn.jpeg)
            rows.append(drawn.facts)
        _write_labels(folder, shots)
        _write_table(folder / "labels.csv", rows)
        (folder / "README.txt").write_text(_README.format(seed=seed, scale=scale), encoding="utf-8")


def _draw(shots: list[Shot], seed: int, processes: int | None) -> Iterator[Drawn]:
    """Yield the pictures in the order of the plan, with a progress bar on a terminal."""
    total = sum(len(shot.paths) for shot in shots)
    workers = processes or min(_MOST_PROCESSES, core_count(), 1 + total // _WORTH_A_PROCESS)
    alone = map(partial(play, seed=seed), shots)
    played = alone if workers == 1 else _play_together(shots, seed, workers)
    with tqdm(total=total, desc="drawing the embedded data set", unit="face", disable=None) as bar:
        for drawn in played:
            bar.update(len(drawn))
            yield from drawn


def _play_together(shots: list[Shot], seed: int, workers: int) -> Iterator[list[Drawn]]:
    """Yield the shots' pictures in order, drawn by several processes."""
    with _one_thread_each():
        yield from map_in_processes(partial(play, seed=seed), shots, workers, _SLAB, chunksize=4)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Start processes with one numpy thread; more would only fight for the cores."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _write_labels(folder: Path, shots: list[Shot]) -> None:
    """Write RAF-DB's label lists: "train_00001.jpg 5", and no newline after the last line."""
    for subset, names in (("basic", BASIC), ("compound", COMPOUND)):
        lines = []
        for shot in shots:
            if shot.dataset == f"rafdb_{subset}":
                image = Path(shot.paths[0]).name.replace("_aligned", "")
                lines.append(f"{image} {names.index(shot.label) + 1}")
        target = folder / "RAF-DB" / subset / _LABEL_FILE
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes("\n".join(lines).encode())


def _write_table(target: Path, rows: list[Facts]) -> None:
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Facts._fields)
        writer.writerows(rows)
