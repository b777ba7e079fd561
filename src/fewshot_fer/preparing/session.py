"""A preparation from start to end: a folder in, aligned faces and a manifest out."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from fewshot_fer.cores import core_count
from fewshot_fer.data.afew import SPLITS
from fewshot_fer.device import prepare_device
from fewshot_fer.errors import RunError
from fewshot_fer.faces.detector import FaceDetector, load_detector
from fewshot_fer.preparing.films import find_films, prepare_film
from fewshot_fer.preparing.manifest import Manifest
from fewshot_fer.preparing.photographs import find_photographs, prepare_photograph, targets
from fewshot_fer.preparing.settings import PrepareVerb
from fewshot_fer.runs import Row

Preparing = Callable[[Path, Path, FaceDetector, PrepareVerb], Row]


@dataclass(frozen=True)
class Job:
    """A clip or photograph: its file, its name in the manifest, and what it becomes."""

    file: Path
    source: str
    target: Path  # below out


def prepare_session(settings: PrepareVerb) -> None:
    """Prepare what is not there yet and say what became of everything. Raises UserError."""
    out = Path(settings.out).expanduser()
    jobs = _films(settings) if settings.afew is not None else _photographs(settings)
    prepare = prepare_film if settings.afew is not None else prepare_photograph
    device = prepare_device(settings.device, 0)
    detector = load_detector(device)
    try:
        out.mkdir(parents=True, exist_ok=True)
        manifest = Manifest(out, settings.what_counts())
        left = [job for job in jobs if not manifest.done(job.source, job.file.stat().st_size)]
        if len(left) < len(jobs):
            print(f"{len(jobs) - len(left)} of {len(jobs)} are there already")
        _run(left, prepare, detector, settings, manifest)
        rows = manifest.finish([job.source for job in jobs])
    except OSError as error:
        where = error.filename or out
        raise RunError(f"cannot write {where}: {error.strerror or error}") from error
    print(_summary(rows, "clips" if settings.afew is not None else "pictures", manifest.path))


def _films(settings: PrepareVerb) -> list[Job]:
    """Return the clips; those of one split go to the folder of that name that the adapter reads."""
    official = {name.casefold(): names[0] for names in SPLITS.values() for name in names}
    jobs = []
    for film in find_films(settings.source):
        split, of_class = film.parents[1].name, film.parent.name
        target = Path(official[split.casefold()]) / of_class / film.stem
        jobs.append(Job(film, str(film.relative_to(settings.source)), target))
    return jobs


def _photographs(settings: PrepareVerb) -> list[Job]:
    found = [path.relative_to(settings.source) for path in find_photographs(settings.source)]
    return [
        Job(settings.source / path, str(path), target)
        for path, target in zip(found, targets(found), strict=True)
    ]


def _run(
    jobs: list[Job],
    prepare: Preparing,
    detector: FaceDetector,
    settings: PrepareVerb,
    manifest: Manifest,
) -> None:
    """Deal with all jobs, some at a time; the first that cannot be written ends it."""
    out, cores = Path(settings.out).expanduser(), core_count()
    workers = min(settings.jobs or cores, max(1, len(jobs)))
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, cores // workers))  # each worker has some of the cores
    stop = threading.Event()
    bar = tqdm(total=len(jobs), desc="finding faces", unit="file", disable=None)

    def work(job: Job) -> None:
        if stop.is_set():
            return
        figures = prepare(job.file, out / job.target, detector, settings)
        size = job.file.stat().st_size
        manifest.add({"source": job.source, "bytes": size, "target": str(job.target), **figures})
        bar.update()

    with closing(bar), ThreadPoolExecutor(workers) as pool:
        try:
            tasks = [pool.submit(partial(work, job)) for job in jobs]
            done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            stop.set()
            torch.set_num_threads(threads)


def _summary(rows: list[Row], what: str, path: Path) -> str:
    """Return what is said on screen: the counts, and every file that gave no face."""
    statuses = Counter(row["status"] for row in rows)
    sums = {key: sum(int(row[key]) for row in rows) for key in ("frames", "kept", "no_face")}
    others = sum(int(row["other_face"]) for row in rows)
    counted = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    lines = [
        f"{len(rows)} {what}: {counted}",
        f"{sums['frames']} frames looked at, {sums['kept']} faces written, "
        f"{sums['no_face']} without a face, {others} with another face only",
    ]
    lines += [
        f"{row['status']}: {row['source']} {row['reason']}".rstrip()
        for row in rows
        if row["status"] != "ok"
    ]
    return "\n".join([*lines, f"all of it in {path}"])
