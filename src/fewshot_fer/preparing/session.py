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
from fewshot_fer.preparing.naming import unshared_names
from fewshot_fer.preparing.photographs import find_photographs, prepare_photograph
from fewshot_fer.preparing.settings import PrepareVerb
from fewshot_fer.runs import Row
from fewshot_fer.sweeps.threads import threads_of_a_job

JPEG = ".jpg"
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
    find = find_films if settings.afew is not None else find_photographs
    found = find(settings.source)
    prepare = prepare_film if settings.afew is not None else prepare_photograph
    device = prepare_device(settings.device, 0, threads=threads_of_a_job(None))
    detector = load_detector(device)
    try:
        out.mkdir(parents=True, exist_ok=True)
        manifest = Manifest(out, settings.what_counts())
        jobs = _jobs(found, settings, manifest)
        left = [job for job in jobs if not _is_done(job, manifest)]
        if len(left) < len(jobs):
            print(f"{len(jobs) - len(left)} of {len(jobs)} are there already")
        _run(left, prepare, detector, settings, manifest)
        rows = manifest.finish([job.source for job in jobs])
    except OSError as error:
        where = error.filename or out
        raise RunError(f"cannot write {where}: {error.strerror or error}") from error
    print(_summary(rows, "clips" if settings.afew is not None else "pictures", manifest.path))


def _jobs(found: list[Path], settings: PrepareVerb, manifest: Manifest) -> list[Job]:
    """Return what becomes of each file; clips of one split go to the folder of that name that the
    adapter reads, photographs keep their folders."""
    sources = [str(file.relative_to(settings.source)) for file in found]
    before = [manifest.target(source) for source in sources]
    if settings.afew is not None:
        targets = unshared_names([_place(film) for film in found], before)
    else:
        named = [None if old is None else Path(str(old).removesuffix(JPEG)) for old in before]
        names = unshared_names([*map(Path, sources)], named, settings.faces == "all")
        targets = [name.with_name(f"{name.name}{JPEG}") for name in names]
    return [Job(*each) for each in zip(found, sources, targets, strict=True)]


def _place(film: Path) -> Path:
    """Return where a clip's folder goes, below the official name of its split."""
    official = {name.casefold(): names[0] for names in SPLITS.values() for name in names}
    split = official[film.parents[1].name.casefold()]
    return Path(split) / film.parent.name / film.name


def _is_done(job: Job, manifest: Manifest) -> bool:
    return manifest.done(job.source, job.file.stat().st_size, job.target)


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
