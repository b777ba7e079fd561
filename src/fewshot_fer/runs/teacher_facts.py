"""What a run's teacher knew, which stands on every result of the run.

teacher.json  beside a run's tables: the teacher's folder, what its own encoder knew, and whether it
              saw test images, or other images than the run itself
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fewshot_fer.runs.data_record import Record, read_record
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.files import write_text

FILE = "teacher.json"
OTHER_IMAGES = "a teacher of other images"
SUFFIX = " (teacher)"


@dataclass(frozen=True)
class TeacherFacts:
    """What a teacher knew, with all that its own teachers did.

    run: its folder; pretrained, trained_on_test: as on its results, the latter None where unknown;
    other_images: whether it was trained on others than its student, or that is not known.
    """

    run: str
    pretrained: str
    trained_on_test: bool | None
    other_images: bool


def teacher_facts(teacher: str | None, record: Record) -> TeacherFacts | None:
    """Return what the run in a folder knew, None without one. Raises RunError if it is unfinished.

    record: of the data of its student.
    """
    if teacher is None:
        return None
    run = Path(teacher).expanduser()
    try:
        row = json.loads((run / "summary.json").read_text(encoding="utf-8"))["results"][0]
        known, seen = str(row.get("pretrained", "unknown")), row.get("trained_on_test")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"train.teacher={run} is not the folder of a finished run: its summary.json says "
            f"nothing of what it learnt from"
        ) from error
    before, its = read_teacher(run), (read_record(run) or {}).get("dataset")
    others = its is None or its != record.get("dataset")
    return TeacherFacts(
        str(run),
        known,
        seen if isinstance(seen, bool) else None,
        others or (before is not None and before.other_images),
    )


def read_teacher(folder: Path) -> TeacherFacts | None:
    """Return the facts in a run's folder, None where it had no teacher. Raises RunError."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        facts = TeacherFacts(**content)
        kinds = (str, str, bool | None, bool)
        if not all(map(isinstance, asdict(facts).values(), kinds)):
            raise ValueError("a field of another type")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} is damaged: it says nothing of the run's teacher") from error
    return facts


def keep_teacher(folder: RunFolder, facts: TeacherFacts | None) -> None:
    """Write teacher.json where a run has a teacher, and stamp its results. Raises WriteError."""
    if facts is not None:
        write_text(folder.folder / FILE, json.dumps(asdict(facts), indent=2) + "\n")
    stamp_teacher(folder, facts)


def stamp_teacher(folder: RunFolder, facts: TeacherFacts | None) -> None:
    """Put what a teacher knew on all results of a folder, beside what the run itself did."""
    if facts is None:
        return
    own = folder.stamps.get("pretrained", "none")
    given = facts.pretrained if facts.pretrained.endswith(SUFFIX) else facts.pretrained + SUFFIX
    if facts.pretrained not in ("", "none", own):
        folder.stamps["pretrained"] = given if own == "none" else f"{own}, {given}"
    if facts.trained_on_test is not False and not folder.stamps.get("trained_on_test"):
        folder.stamps["trained_on_test"] = facts.trained_on_test
    if facts.other_images:
        folder.uses = OTHER_IMAGES
