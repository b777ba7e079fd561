"""Audit the data of a training command: the job of `check` from settings to check.json."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from fewshot_fer.config.schema import DatasetConfig, TrainVerb
from fewshot_fer.data.adapters.union import members
from fewshot_fer.data.available import with_available
from fewshot_fer.data.load import Source, find_source, load_dataset
from fewshot_fer.models.backbones.card import Card
from fewshot_fer.models.backbones.card_template import card_template, write_template
from fewshot_fer.models.backbones.registry import encoder_card
from fewshot_fer.models.methods.registry import check_training
from fewshot_fer.reports.audit.counts import (
    ClassCount,
    class_counts,
    clip_findings,
    count_findings,
    dataset_name,
    leak_findings,
    name_findings,
    repeated_ids,
)
from fewshot_fer.reports.audit.images import look_at_all, picture_findings
from fewshot_fer.reports.audit.overlaps import overlap_findings
from fewshot_fer.reports.audit.tables import (
    AuditedTable,
    Finding,
    Row,
    audited_tables,
    neutral_findings,
    note,
    table_row,
)
from fewshot_fer.runs.data_record import record_of_training
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.runs.teacher_facts import OTHER_IMAGES, teacher_facts
from fewshot_fer.system.files import write_text
from fewshot_fer.system.text import text_table

ROLE_COLUMNS = ("role", "dataset", "split", "images", "clips", "groups", "classes", "asked")


@dataclass(frozen=True)
class Audit:
    """Outcome of an audit. roles: one row each; counts: of whole data sets, all splits."""

    roles: list[Row]
    counts: list[ClassCount]
    findings: list[Finding]

    @property
    def is_invalid(self) -> bool:
        return any(finding.invalidates for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return everything, with all paths, as plain values."""
        return {
            "spoilt": self.is_invalid,
            "roles": self.roles,
            "counts": [asdict(count) for count in self.counts],
            "findings": [asdict(one) | {"count": len(one.paths)} for one in self.findings],
        }


def check_session(settings: TrainVerb, path: Path, show: Callable[[str], None]) -> bool:
    """Show what was found and write it to check.json; return whether it invalidates a result.

    show: takes the text for the screen. A file of weights without a card comes first: a card to
    fill in is written beside it.
    """
    check_training(settings)
    if (template := card_template(settings.backbone)) is not None:
        show(write_template(template))
        return True
    for line in settings.paper.lines():
        show(line)
    source = replace(find_source(settings.paths, settings.demo), fresh=True)
    settings = with_available(settings, source)
    found = audit(settings, source)
    file = RunFolder(path).folder / "check.json"
    content = found.as_json() | {"config": asdict(settings)}
    write_text(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    show(audit_text(found))
    show(f"all paths are in {file}")
    return found.is_invalid


def audit(settings: TrainVerb, source: Source) -> Audit:
    """Look at everything that `train` would read. Raises UserError where nothing can be found."""
    audited = audited_tables(settings, source)
    tables = [one.table for one in audited]
    tables += [support for one in audited if (support := one.own_support) is not None]
    looks = look_at_all([path for table in tables for path in table["path"]])
    counts, findings = _whole_datasets(audited, source)
    findings += picture_findings(looks.values())
    findings += [finding for one in audited for finding in one.findings]
    findings += overlap_findings(audited, looks, settings)
    findings += _trained_on_test(audited[0])
    findings += neutral_findings(audited, settings)
    card = encoder_card(settings.backbone)  # one that cannot be read is said here, before training
    findings += [] if source.demo else _known_to_encoder(audited, card)
    findings += _known_to_teacher(settings, source)
    for one in audited:
        findings += clip_findings(one)
        findings += leak_findings(one, settings.episodes.disjoint)
    findings.sort(key=lambda finding: not finding.invalidates)
    return Audit([table_row(one) for one in audited], counts, findings)


def audit_text(audit: Audit) -> str:
    """Return roles, layouts, counts, findings and the verdict as text for the screen."""
    roles = [["-" if row[c] == 0 else str(row[c]) for c in ROLE_COLUMNS] for row in audit.roles]
    by_dataset = groupby(audit.counts, key=lambda count: count.dataset)
    blocks = [
        _table([ROLE_COLUMNS, *roles]),
        _layouts(audit.roles),
        *(_count_table(*of_dataset) for of_dataset in by_dataset),
        "\n".join(line for finding in audit.findings for line in finding.lines()),
        _verdict(audit),
    ]
    return "\n\n".join(block for block in blocks if block)


def _whole_datasets(
    audited: Sequence[AuditedTable], source: Source
) -> tuple[list[ClassCount], list[Finding]]:
    """Return counts and findings of each data set with all its splits, once."""
    every = [replace(own, split="all") for one in audited for own in _single(one.dataset)]
    whole = {repr(settings): settings for settings in every}
    counts: list[ClassCount] = []
    findings: list[Finding] = []
    for settings in whole.values():
        table = load_dataset(settings, source)
        official = source.official(settings)
        own = class_counts(settings, table, official)
        counts += own
        findings += count_findings(settings, own, table)
        findings += repeated_ids(dataset_name(settings), table)
        findings += name_findings(dataset_name(settings), table)
    if source.demo:
        detail = "the embedded data set is smaller by design"
        findings.append(note("official counts are not applicable", detail))
    return counts, findings


def _single(settings: DatasetConfig) -> list[DatasetConfig]:
    """Return the settings of each set of a union, or those of a single data set."""
    return [*members(settings).values()] if settings.sets else [settings]


def _trained_on_test(training: AuditedTable) -> list[Finding]:
    held_out = training.table[training.table["split"].isin(["test", "val"])]
    if held_out.empty:
        return []
    names = " and ".join(sorted(held_out["dataset"].unique()))
    detail = (
        f"{len(held_out)} images of an official test or validation split are trained on: no figure "
        f"on those of {names} means anything, and results are stamped trained_on_test"
    )
    return [note("trained on test images", detail)]


def _known_to_encoder(audited: Sequence[AuditedTable], card: Card) -> list[Finding]:
    """Return a note where pictures may be in the training data of an encoder's weights: where
    nobody says what these are, or they name the data set."""
    names = sorted({name for one in audited for name in one.table["dataset"]})
    stated = card.trained_on.casefold()
    unnamed = any(word in stated for word in ("unnamed", "unknown", "unstated"))
    known = [name for name in names if unnamed or name.partition("_")[0] in stated]
    if card.pretrained in ("none", "imagenet") or not known:
        return []
    detail = (
        f"the weights of {card.architecture} ({card.source}; licence: {card.licence}) were trained "
        f"on {card.trained_on}: images of {', '.join(known)} may be among these, and results are "
        f"stamped pretrained={card.pretrained}"
    )
    return [note("may be known to the encoder", detail)]


def _known_to_teacher(settings: TrainVerb, source: Source) -> list[Finding]:
    """Return a note where a teacher knew more than what its student is trained on. Raises UserError
    where there is no such run."""
    teacher = settings.train.teacher
    facts = teacher_facts(teacher, record_of_training(settings, source) if teacher else {})
    if facts is None:
        return []
    known = [] if facts.pretrained in ("", "none") else [f"pretrained={facts.pretrained}"]
    if facts.trained_on_test is not False:
        known.append(f"trained_on_test={'unknown' if facts.trained_on_test is None else 'true'}")
    known += [OTHER_IMAGES] if facts.other_images else []
    if not known:
        return []
    detail = f"{facts.run}: {', '.join(known)}; this stands on every result beside the run's own"
    return [note("known to the teacher", detail)]


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells in columns, those of numbers flush right."""
    left = []
    for place, cells in enumerate(zip(*rows, strict=True)):
        if not all(cell in ("", "-") or cell.isdecimal() for cell in cells[1:]):
            left.append(place)
    return text_table(rows, left)


def _layouts(roles: Sequence[dict[str, Any]]) -> str:
    lines = {
        f"{one['dataset']}: {one['labels']}, images such as {one['example']} under {one['folder']}"
        for row in roles
        for one in row["layouts"]
    }
    return "\n".join(sorted(lines))


def _count_table(dataset: str, of_dataset: Iterable[ClassCount]) -> str:
    """Return one data set's counts, a class a line, a pair of columns a split."""
    counts = list(of_dataset)
    splits = list(dict.fromkeys(count.split for count in counts))
    by_place = {(count.label, count.split): count for count in counts}
    compared = any(count.official is not None for count in counts)
    heading = [f"{dataset}, {counts[0].unit}"]
    for split in splits:
        heading += [split, *(["official"] if compared else [])]
    rows = [heading]
    for label in dict.fromkeys(count.label for count in counts):
        row = [label]
        for split in splits:
            count = by_place.get((label, split))
            row.append(str(count.found) if count else "0")
            if compared:
                row.append(str(count.official) if count and count.official is not None else "-")
        rows.append(row)
    return _table(rows)


def _verdict(audit: Audit) -> str:
    faults = sum(finding.invalidates for finding in audit.findings)
    if not faults:
        return "nothing found that would spoil a result"
    things = "thing" if faults == 1 else "things"
    return f"{faults} {things} found that would spoil a result"
