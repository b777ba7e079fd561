"""Prepare a folder of clips or photographs: aligned faces and a manifest in another folder."""

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from fewshot_fer.config.hydra import threads_per_job
from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.data.adapters.afew import SPLITS
from fewshot_fer.data.faces.clips import find_films, find_videos, prepare_film
from fewshot_fer.data.faces.detector import SMALL, SMALL_EYES, FaceDetector, load_detector
from fewshot_fer.data.faces.manifest import MANIFEST, Manifest
from fewshot_fer.data.faces.photographs import face_file, find_photographs, prepare_photograph
from fewshot_fer.data.faces.shards import part_folder, shard_of, turn
from fewshot_fer.data.fingerprint import file_digests
from fewshot_fer.system.cores import core_count
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import DataError, RunError
from fewshot_fer.system.files import Row
from fewshot_fer.system.progress import tqdm
from fewshot_fer.system.text import RENAME, fits_table

Preparing = Callable[[Path, Path, FaceDetector, PrepareVerb], Row]
BLOCK = 1024  # sources that are handed out at a time: memory stays the same for any number
SHOWN = 100  # files without a face that are listed on screen
LONGEST_NAME = 250  # bytes: file systems take 255, and _2 may be added


@dataclass(frozen=True)
class Job:
    """A clip or photograph: its file, its name in the manifest, and what it becomes."""

    file: Path
    source: str
    target: Path  # below out
    digest: str = ""  # of the file's content


def prepare_session(settings: PrepareVerb) -> None:
    """Prepare what is not there yet and say what became of everything. Raises UserError."""
    out = Path(settings.out).expanduser()
    find = {"afew": find_films, "videos": find_videos, "images": find_photographs}[settings.kind]
    prepare = prepare_photograph if settings.kind == "images" else prepare_film
    every = _jobs(find(settings.source), settings)
    jobs = _with_digests(_own_jobs(every, settings))
    device = prepare_device(settings.device, 0, threads=threads_per_job(None))
    detector = load_detector(device)
    try:
        out.mkdir(parents=True, exist_ok=True)
        manifest = Manifest(out, settings.of_faces, _part(out, settings))
        sizes = {job: job.file.stat().st_size for job in jobs}
        left = [
            job for job in jobs if not manifest.done(job.source, sizes[job], job.target, job.digest)
        ]
        if len(left) < len(jobs):
            print(f"{len(jobs) - len(left)} of {len(jobs)} are there already")
        _run(left, prepare, detector, settings, manifest)
        with turn(out) if settings.shard is not None else contextlib.nullcontext():
            rows = manifest.finish([job.source for job in every])
    except OSError as error:
        where = error.filename or out
        raise RunError(f"cannot write {where}: {error.strerror or error}") from error
    print(_summary(_own_rows(rows, jobs), settings, manifest.path))
    if left_to_others := len(every) - len(rows):
        print(f"{left_to_others} of {len(every)} are left to other shards")


def _jobs(found: list[Path], settings: PrepareVerb) -> list[Job]:
    """Return what becomes of each file: of a clip the folder that data sets of frames have, of a
    photograph a file in a folder of the same name."""
    jobs = []
    for file in found:
        source = str(file.relative_to(settings.source))
        if settings.kind == "images":
            target = face_file(file, source, settings.names)
        else:
            target = _clip_folder(file) if settings.kind == "afew" else Path(source).with_suffix("")
        jobs.append(Job(file, source, target))
    first: dict[Path, str] = {}
    for job in jobs:
        if not fits_table(job.source):
            raise DataError(f"{str(job.file)!a} {RENAME}")
        if len(os.fsencode(job.target.name)) > LONGEST_NAME:
            raise DataError(f"{job.file}: its name is too long to become {job.target.name}")
        if first.setdefault(job.target, job.source) != job.source:
            raise DataError(
                f"{first[job.target]} and {job.source} would both become {job.target}: remove one"
            )
    _require_apart(first)
    return jobs


def _require_apart(first: dict[Path, str]) -> None:
    """Raise DataError where one target would lie within another, which is made as a whole."""
    for target, source in first.items():
        if outer := next((above for above in target.parents if above in first), None):
            raise DataError(
                f"{first[outer]} would become the folder {outer}, in which {source} would lie too: "
                f"rename one"
            )


def _clip_folder(film: Path) -> Path:
    """Return where a clip of AFEW goes, below the official name of its split."""
    official = {name.casefold(): names[0] for names in SPLITS.values() for name in names}
    split = official[film.parents[1].name.casefold()]
    return Path(split) / film.parent.name / film.stem


def _own_jobs(jobs: list[Job], settings: PrepareVerb) -> list[Job]:
    """Return the jobs of the shard that is prepared, or all."""
    if settings.shard is None:
        return jobs
    return [job for job in jobs if shard_of(job.source, settings.shards) == settings.shard]


def _with_digests(jobs: list[Job]) -> list[Job]:
    digests = file_digests([str(job.file) for job in jobs])
    return [
        Job(job.file, job.source, job.target, digest.tobytes().hex())
        for job, digest in zip(jobs, digests, strict=True)
    ]


def _part(out: Path, settings: PrepareVerb) -> Path | None:
    if settings.shard is None:
        return None
    return part_folder(out, settings.shards, settings.shard) / MANIFEST


def _run(
    jobs: list[Job],
    prepare: Preparing,
    detector: FaceDetector,
    settings: PrepareVerb,
    manifest: Manifest,
) -> None:
    """Deal with all jobs, some at a time; the first that cannot be written ends it."""
    out, cores = Path(settings.out).expanduser(), threads_per_job(None) or core_count()
    workers = min(settings.jobs or cores, max(1, len(jobs)))
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, cores // workers))  # each worker has some of the cores
    stop = threading.Event()
    name = "finding faces" if settings.shard is None else f"shard {settings.shard}: finding faces"
    bar = tqdm(total=len(jobs), desc=name, unit="file", disable=None)

    def work(job: Job) -> None:
        if stop.is_set():
            return
        figures = prepare(job.file, out / job.target, detector, settings)
        known = {"source": job.source, "target": str(job.target), "digest": job.digest}
        manifest.add({**known, "bytes": job.file.stat().st_size, **figures})
        bar.update()

    with closing(bar), ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, len(jobs), BLOCK):
                for _ in pool.map(partial(_stopping, work, stop), jobs[start : start + BLOCK]):
                    pass
        finally:
            stop.set()
            torch.set_num_threads(threads)


def _stopping(work: Callable[[Job], None], stop: threading.Event, job: Job) -> None:
    """Do a job; where that fails, let no other begin."""
    try:
        work(job)
    except BaseException:
        stop.set()
        raise


def _own_rows(rows: list[Row], jobs: list[Job]) -> list[Row]:
    own = {job.source for job in jobs}
    return [row for row in rows if row["source"] in own]


def _summary(rows: list[Row], settings: PrepareVerb, path: Path) -> str:
    """Return what is said on screen: the counts, and the files that gave no face."""
    what = "pictures" if settings.kind == "images" else "clips"
    shard = "" if settings.shard is None else f"shard {settings.shard} of {settings.shards}: "
    statuses = Counter(row["status"] for row in rows)
    sums = {key: sum(int(row[key]) for row in rows) for key in ("frames", "kept", "no_face")}
    others = sum(int(row["other_face"]) for row in rows)
    counted = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    lines = [
        f"{shard}{len(rows)} {what}: {counted}",
        f"{sums['frames']} frames looked at, {sums['kept']} faces written, "
        f"{sums['no_face']} without a face, {others} with another face only",
    ]
    if small := sum(row["reason"].startswith(SMALL) for row in rows):
        lines.append(f"{what} with small faces (eyes under {SMALL_EYES:.0f} pixels apart): {small}")
    without = [row for row in rows if row["status"] != "ok"]
    lines += [
        f"{row['status']}: {row['source']} {row['reason']}".rstrip() for row in without[:SHOWN]
    ]
    if len(without) > SHOWN:
        lines.append(f"and {len(without) - SHOWN} more that are not ok")
    return "\n".join([*lines, f"all of it in {path}"])
