"""The whole audit: what is looked at, and what of it is kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fewshot_fer.audit.clips import leak_findings, repeated_ids
from fewshot_fer.audit.counts import count_findings
from fewshot_fer.audit.findings import Finding, spoils_if, spoilt
from fewshot_fer.audit.layout import Row, role_row
from fewshot_fer.audit.looks import look_at_all
from fewshot_fer.audit.official import ClassCount, class_counts, dataset_name
from fewshot_fer.audit.overlaps import overlap_findings
from fewshot_fer.audit.parts import Part, cast_parts
from fewshot_fer.audit.pictures import picture_findings
from fewshot_fer.config import TrainVerb
from fewshot_fer.data.load import Source, load_dataset


@dataclass(frozen=True)
class Audit:
    """roles: one row each; counts: of whole data sets, all splits."""

    roles: list[Row]
    counts: list[ClassCount]
    findings: list[Finding]

    @property
    def spoilt(self) -> bool:
        return spoilt(self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return everything, with all paths, as plain values."""
        return {
            "spoilt": self.spoilt,
            "roles": self.roles,
            "counts": [asdict(count) for count in self.counts],
            "findings": [finding.as_json() for finding in self.findings],
        }


def audit(settings: TrainVerb, source: Source) -> Audit:
    """Look at everything that `train` would read. Raises UserError where nothing can be found."""
    parts = cast_parts(settings, source)
    looks = look_at_all(_paths(parts))
    counts, findings = _whole_datasets(parts, source)
    findings += picture_findings(looks.values())
    findings += [finding for part in parts for finding in part.findings]
    findings += overlap_findings(parts, looks, settings)
    findings += _trained_on_test(parts[0])
    for part in parts:
        findings += leak_findings(part, settings.episodes.disjoint)
    findings.sort(key=lambda finding: finding.level != "spoils")
    return Audit([role_row(part) for part in parts], counts, findings)


def _paths(parts: Sequence[Part]) -> list[str]:
    tables = [part.table for part in parts]
    tables += [support for part in parts if (support := part.own_support) is not None]
    return [path for table in tables for path in table["path"]]


def _whole_datasets(
    parts: Sequence[Part], source: Source
) -> tuple[list[ClassCount], list[Finding]]:
    """Return counts and findings of each data set with all its splits, once."""
    whole = {repr(one): one for part in parts for one in [replace(part.dataset, split="all")]}
    counts: list[ClassCount] = []
    findings: list[Finding] = []
    for settings in whole.values():
        table = load_dataset(settings, source)
        official = source.official(settings)
        own = class_counts(settings, table, official)
        counts += own
        findings += count_findings(settings, own, table)
        findings += repeated_ids(dataset_name(settings), table)
    if source.demo:
        detail = "the embedded data set is smaller by design"
        findings.append(spoils_if(False, "official counts are not applicable", detail, ()))
    return counts, findings


def _trained_on_test(training: Part) -> list[Finding]:
    held_out = training.table[training.table["split"].isin(["test", "val"])]
    if held_out.empty:
        return []
    names = " and ".join(sorted(held_out["dataset"].unique()))
    detail = (
        f"{len(held_out)} images of an official test or validation split are trained on: no figure "
        f"on those of {names} means anything, and results are stamped trained_on_test"
    )
    return [spoils_if(False, "trained on test images", detail, ())]
