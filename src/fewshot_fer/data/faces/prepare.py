"""Prepare a folder of clips or photographs: aligned faces and a manifest in another folder."""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from fewshot_fer.config.hydra import threads_per_job
from fewshot_fer.config.verb_settings import PrepareVerb
from fewshot_fer.data.adapters.afew import SPLITS
from fewshot_fer.data.decode import read_picture
from fewshot_fer.data.faces.clips import QUALITY, find_films, prepare_film
from fewshot_fer.data.faces.detector import SMALL, SMALL_EYES, FaceDetector, align, load_detector
from fewshot_fer.data.faces.manifest import Manifest
from fewshot_fer.data.fingerprint import file_digests
from fewshot_fer.data.listing import folders_in, images_in, left_out_remarks
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import DataError, RunError
from fewshot_fer.system.files import Row, atomic
from fewshot_fer.system.processes import core_count
from fewshot_fer.system.text import RENAME, fits_table

log = logging.getLogger("fewshot_fer")
Preparing = Callable[[Path, Path, FaceDetector, PrepareVerb], Row]


LONGEST_NAME = 250  # bytes: file systems take 255, and _2 may be added


@dataclass(frozen=True)
class Job:
    """A clip or photograph: its file, its name in the manifest, and what it becomes."""

    file: Path
    source: str
    target: Path  # below out
    digest: str  # of the file's content


def prepare_session(settings: PrepareVerb) -> None:
    """Prepare what is not there yet and say what became of everything. Raises UserError."""
    out = Path(settings.out).expanduser()
    find = find_films if settings.afew is not None else find_photographs
    jobs = _jobs(find(settings.source), settings)
    prepare = prepare_film if settings.afew is not None else prepare_photograph
    device = prepare_device(settings.device, 0, threads=threads_per_job(None))
    detector = load_detector(device)
    try:
        out.mkdir(parents=True, exist_ok=True)
        kept = {key: getattr(settings, key) for key in ("fps", "faces", "size")}
        manifest = Manifest(out, kept)  # other settings give other faces
        sizes = {job: job.file.stat().st_size for job in jobs}
        left = [
            job for job in jobs if not manifest.done(job.source, sizes[job], job.target, job.digest)
        ]
        if len(left) < len(jobs):
            print(f"{len(jobs) - len(left)} of {len(jobs)} are there already")
        _run(left, prepare, detector, settings, manifest)
        rows = manifest.finish([job.source for job in jobs])
    except OSError as error:
        where = error.filename or out
        raise RunError(f"cannot write {where}: {error.strerror or error}") from error
    print(_summary(rows, "clips" if settings.afew is not None else "pictures", manifest.path))


def _jobs(found: list[Path], settings: PrepareVerb) -> list[Job]:
    """Return what becomes of each file: of a clip the folder that AFEW's adapter reads, of a
    photograph a file of its whole name, with .jpg behind, in a folder of the same name."""
    sources = [str(file.relative_to(settings.source)) for file in found]
    if settings.afew is None:
        targets = [Path(f"{source}.jpg") for source in sources]
    else:
        targets = [_clip_folder(film) for film in found]
    digests = [each.tobytes().hex() for each in file_digests([str(file) for file in found])]
    jobs = [Job(*each) for each in zip(found, sources, targets, digests, strict=True)]
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
    return jobs


def _clip_folder(film: Path) -> Path:
    """Return where a clip's faces go, below the official name of its split."""
    official = {name.casefold(): names[0] for names in SPLITS.values() for name in names}
    split = official[film.parents[1].name.casefold()]
    return Path(split) / film.parent.name / film.stem


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
        known = {"source": job.source, "target": str(job.target), "digest": job.digest}
        manifest.add({**known, "bytes": job.file.stat().st_size, **figures})
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
    if small := sum(row["reason"].startswith(SMALL) for row in rows):
        lines.append(f"{what} with small faces (eyes under {SMALL_EYES:.0f} pixels apart): {small}")
    lines += [
        f"{row['status']}: {row['source']} {row['reason']}".rstrip()
        for row in rows
        if row["status"] != "ok"
    ]
    return "\n".join([*lines, f"all of it in {path}"])


def find_photographs(root: Path) -> list[Path]:
    """Return all pictures below a folder, in natural order; links to folders are not followed.

    Raises DataError where there are none.
    """
    found: list[Path] = []
    left_out: Counter[str] = Counter()
    waiting = [root]
    while waiting:
        folder = waiting.pop(0)
        found += images_in(folder, left_out=left_out)
        waiting += [below for below in folders_in(folder) if not below.is_symlink()]
    for remark in left_out_remarks(left_out, root):
        log.info("%s", remark)
    if not found:
        raise DataError(f"no pictures in {root} or in the folders below it")
    return found


def prepare_photograph(
    photograph: Path, target: Path, detector: FaceDetector, settings: PrepareVerb
) -> Row:
    """Write the largest face of a picture to `target`, or all, and return its figures.

    Further faces are numbered: of a.png.jpg, the second one lies in a.png_2.jpg.
    """
    try:
        picture = read_picture(photograph)
    except DataError as error:
        return _row(0, 0) | {"status": "unreadable", "frames": 0, "reason": str(error)}
    faces = detector.detect([picture])[0]
    taken = faces if settings.faces == "all" else faces[:1]
    target.parent.mkdir(parents=True, exist_ok=True)
    for number, face in enumerate(taken):
        name = target.name if number == 0 else f"{target.stem}_{number + 1}.jpg"
        aligned = Image.fromarray(align(picture, face.points, settings.size))
        with atomic(target.with_name(name)) as partial:
            aligned.save(partial, format="JPEG", quality=QUALITY, subsampling=0)
    status, remarks = "ok" if taken else "no_face", filter(None, (face.remark for face in taken))
    return _row(len(faces), len(taken)) | {"status": status, "reason": next(remarks, "")}


def _row(faces: int, kept: int) -> Row:
    return {
        "frames": 1,
        "faces": faces,
        "kept": kept,
        "no_face": int(faces == 0),
        "other_face": faces - kept,
        "no_face_frames": "",
        "other_face_frames": "",
        "reason": "",
    }
