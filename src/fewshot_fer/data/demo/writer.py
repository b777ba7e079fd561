"""Draw and write the set of drawn faces that comes with the package: several processes draw."""

import csv
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from fewshot_fer.data.demo import DRAWING, action_units, render
from fewshot_fer.data.demo.identity import Identity, draw_identity
from fewshot_fer.data.demo.mesh import load_head
from fewshot_fer.data.demo.plan import NO_FACE, Moment, Shot, draw_moments, plan_shots
from fewshot_fer.data.demo.scene import Scene, develop, draw_background, draw_scene
from fewshot_fer.data.labels import BASIC, COMPOUND
from fewshot_fer.system.cores import core_count
from fewshot_fer.system.files import atomic_folder
from fewshot_fer.system.progress import tqdm

_STILL = Moment(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_LABEL_FILE = "EmoLabel/list_patition_label.txt"
# Starting a process takes as long as drawing this many pictures saves.
_WORTH_A_PROCESS = 200
_MOST_PROCESSES = 16
# Shots in flight at once: bounds the memory that finished pictures wait in.
_SLAB = 2000
_README = """Drawn by fewshot_fer (seed {seed}, scale {scale:g}); nobody in these faces exists.

Licence: CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/

RAF-DB/ and AFEW/ have the layouts of the data sets of those names, and none of their images.
labels.csv tells for every picture its class, person, clip, action units, strength and pose.
"""


class Facts(NamedTuple):
    """A row of labels.csv.

    frame counts from 1 in a clip and is -1 outside; strength is the share of the full expression
    0..1; angles are the head's, in degrees, positive towards the right of the picture, downwards
    and counter-clockwise; has_face is 0 where the face has left the picture.
    """

    path: str
    dataset: str
    split: str
    label: str
    identity: int
    clip: str
    frame: int
    action_units: str
    strength: float
    age: int
    gender: str
    yaw_degrees: float
    pitch_degrees: float
    roll_degrees: float
    has_face: int


class Drawn(NamedTuple):
    """One finished picture: JPEG bytes and what they show."""

    jpeg: bytes
    facts: Facts


def draw_shot(shot: Shot, seed: int) -> list[Drawn]:
    """Draw every picture of a shot; a pure function of the shot and the seed."""
    head, generator = load_head(), np.random.default_rng([seed, 4, shot.key])
    person = draw_identity(head, seed, shot.person)
    body = render.make_body(head, person)
    units = action_units.draw_units(shot.label, generator)
    apex = float(generator.uniform(0.6, 1.0))
    strengths = action_units.draw_strengths(shot.label, units, apex, generator)
    scene = draw_scene("film" if shot.clip else "still", generator)
    moments = draw_moments(len(shot.paths), generator) if shot.clip else [_STILL]
    drawn = []
    for number, moment in enumerate(moments):
        now = replace(
            scene,
            yaw=scene.yaw + moment.yaw,
            pitch=scene.pitch + moment.pitch,
            roll=scene.roll + moment.roll,
            shift=(scene.shift[0] + moment.right, scene.shift[1] + moment.down),
        )
        if NO_FACE in shot.paths[number]:
            image = develop(draw_background(now), now, generator)
        else:
            by = moment.strength
            shown = {unit: (left * by, right * by) for unit, (left, right) in strengths.items()}
            image = render.draw_picture(head, person, body, shown, now, generator)
        facts = _facts(shot, number, person, units, apex * moment.strength, now)
        stream = BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=scene.quality)
        drawn.append(Drawn(stream.getvalue(), facts))
    return drawn


def _facts(
    shot: Shot, number: int, person: Identity, units: tuple[int, ...], strength: float, scene: Scene
) -> Facts:
    has_face = NO_FACE not in shot.paths[number]
    yaw, pitch, roll = (float(np.degrees(a)) for a in (scene.yaw, scene.pitch, scene.roll))
    return Facts(
        path=shot.paths[number],
        dataset=shot.dataset,
        split=shot.split,
        label=shot.label,
        identity=shot.person,
        clip=shot.clip,
        frame=number + 1 if shot.clip else -1,
        action_units="+".join(map(str, units)) if has_face else "",
        strength=round(strength, 3) if has_face and units else 0.0,
        age=person.age,
        gender=person.sex,
        yaw_degrees=round(yaw, 1),
        pitch_degrees=round(pitch, 1),
        roll_degrees=round(roll, 1),
        has_face=int(has_face),
    )


def write_demo(root: Path, scale: float, seed: int, processes: int | None = None) -> None:
    """Draw the set into the folder ``root``, which appears whole or not at all.

    processes: how many draw; by default one a core, fewer for a small set. Raises WriteError.
    """
    shots = plan_shots(scale, seed)
    with atomic_folder(root) as folder:
        rows: list[Facts] = []
        for drawn in draw_shots(shots, seed, processes):
            target = folder / drawn.facts.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(drawn.jpeg)
            rows.append(drawn.facts)
        _write_labels(folder, shots)
        with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([Facts._fields, *rows])
        (folder / "README.txt").write_text(_README.format(seed=seed, scale=scale), encoding="utf-8")


def draw_shots(shots: list[Shot], seed: int, processes: int | None = None) -> Iterator[Drawn]:
    """Yield the pictures in the order of the plan, with a progress bar on a terminal.

    processes: how many draw; by default one a core, fewer for a few pictures.
    """
    total = sum(len(shot.paths) for shot in shots)
    workers = processes or min(_MOST_PROCESSES, core_count(), 1 + total // _WORTH_A_PROCESS)
    alone = map(partial(draw_shot, seed=seed), shots)
    made = alone if workers == 1 else _draw_in_processes(shots, seed, workers)
    with tqdm(total=total, desc="drawing faces", unit="face", disable=None) as bar:
        for drawn in made:
            bar.update(len(drawn))
            yield from drawn


def _draw_in_processes(shots: list[Shot], seed: int, workers: int) -> Iterator[list[Drawn]]:
    """Yield the shots' pictures in order, drawn by several processes.

    Where a process dies (killed for memory, or started by a script without a main guard), the shots
    that are left are drawn here.
    """
    done, draw = 0, partial(draw_shot, seed=seed)
    # Not forked: there may be threads by now, and a fork of those can hang.
    context = multiprocessing.get_context("spawn")
    os.environ[DRAWING] = str(os.getpid())
    try:
        with ProcessPoolExecutor(workers, context, _prepare_process) as pool:
            for start in range(0, len(shots), _SLAB):
                for drawn in pool.map(draw, shots[start : start + _SLAB], chunksize=4):
                    done += 1
                    yield drawn
    except BrokenProcessPool:
        yield from map(draw, shots[done:])
    finally:
        os.environ.pop(DRAWING, None)


def _prepare_process() -> None:
    """Leave Ctrl-C to the process that started this one, and take one thread for NumPy."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)


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
