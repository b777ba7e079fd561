"""Calibration on the support in use: where "none of these" begins, and a temperature.

How near an unknown face comes to a support depends on its classes and on how many pictures it has,
so it is measured there. Each class is left out in turn: its pictures are unknown faces to the
prototypes of the others. Each picture is left out of its own prototype: it is a known face. What a
run stores of other expressions in validation counts too, since classes that training knew lie
farther from one another than from others.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewshot_fer.data.labels import canonical
from fewshot_fer.evaluation.calibration import fit_temperature
from fewshot_fer.evaluation.support import SupportSet, picture_rows
from fewshot_fer.models.methods.method import PROTOTYPES, Method
from fewshot_fer.system.errors import ConfigError

CHUNK = 256  # pictures compared with all prototypes at a time
LEAST_CLASSES = 4  # that are left out in turn; with fewer the rate is missed by far, see the docs
FEWEST, MOST = 100, 2_000  # pictures that a temperature is fitted on; see docs/none_of_these.md


@dataclass(frozen=True)
class UnknownFaces:
    """How near N faces of unknown classes come to the prototypes of others.

    nearness [N]: minus the squared distance to the nearest of n_prototypes, sorted; n_in_use: how
    many prototypes there are when a support is used, one more where a class was left out.
    """

    nearness: Tensor
    n_classes: int
    n_prototypes: int
    n_in_use: int

    def threshold(self, rate: float) -> float | None:
        """Return the nearness that a further unknown face exceeds with this probability (0..1).

        It is the order statistic whose expected excess is at most the rate (Vovk et al.,
        Algorithmic Learning in a Random World, 2005, proposition 2.3). None where there are too few
        faces for one. The nearest of C prototypes is at most t with F(t)^(C / (C - 1)), where F is
        that of C - 1 of them, if distances are independent; they are not quite, which makes the
        threshold a little stricter than it must be.
        """
        count = len(self.nearness)
        place = math.ceil((count + 1) * self._quantile(rate) - 1e-9)
        return float(self.nearness[max(place, 1) - 1]) if place <= count else None

    def smallest_rate(self) -> float:
        """Return the smallest rate that so many faces can show."""
        count = len(self.nearness)
        return 1 - float((count / (count + 1)) ** (self.n_in_use / self.n_prototypes))

    def accepted(self, threshold: float) -> float:
        """Return the share (0..1) of these faces that a threshold takes for known ones."""
        return float((self.nearness >= threshold).double().mean())

    def _quantile(self, rate: float) -> float:
        return float((1 - rate) ** (self.n_prototypes / self.n_in_use))


@dataclass(frozen=True)
class Rejection:
    """Where "none of these" begins for a support, and what it was measured on.

    A face is known whose nearness, minus its squared distance to the nearest prototype, is at
    least `threshold`. left_out: the support's pictures, each with its class left out; validation:
    faces of other classes that a run stores; false_reject: share of the support's pictures, each
    left out of its own prototype, that are turned away, None where no class has two.
    """

    rate: float
    threshold: float
    left_out: UnknownFaces | None
    validation: UnknownFaces | None
    false_reject: float | None

    def facts(self) -> dict[str, Any]:
        """Return what predictions.json says: rates as shares, 0..1."""
        sources = {"support": self.left_out, "validation": self.validation}
        return {
            "false_accept": self.rate,
            "distance": math.sqrt(max(0.0, -self.threshold)),
            "false_reject": self.false_reject,
            "measured": [
                {
                    "on": name,
                    "classes": faces.n_classes,
                    "pictures": len(faces.nearness),
                    "accepted": faces.accepted(self.threshold),
                }
                for name, faces in sources.items()
                if faces is not None
            ],
        }


def measure_rejection(
    rate: float, support: SupportSet, unknown_faces: Mapping[str, Tensor], of_training: bool
) -> Rejection:
    """Return where "none of these" begins, so that this share of unknown faces is taken for known.

    unknown_faces: embeddings [n, D] by class that a run stores, see `Calibration`; of_training:
    whether the support is the run's own, of classes that training has learnt to tell apart. The
    stricter of the two thresholds holds, where there are two. Raises ConfigError where the rate
    cannot be measured.
    """
    left_out, known = _leave_out(support)
    validation = _of_validation(support, unknown_faces)
    pictured = len(set(support.labels[picture_rows(support)].tolist()))
    by_validation = of_training or not pictured
    if not by_validation and pictured < LEAST_CLASSES:
        raise ConfigError(
            f"reject={rate:g}: classes are left out in turn to measure how near other expressions "
            f"come, which takes pictures of {LEAST_CLASSES}; the support has {pictured}: add some "
            f"of other expressions"
        )
    needed = validation if by_validation else left_out
    if needed is None:
        raise ConfigError(
            f"reject={rate:g}: how near unknown faces come is not known. This run stores no faces "
            f"of expressions that training did not know (validation had none, or an earlier "
            f"version trained it): give support=folder with pictures of each class"
        )
    thresholds = [each.threshold(rate) for each in (left_out, validation) if each is not None]
    if needed.threshold(rate) is None:
        raise ConfigError(_too_few(rate, needed))
    threshold = max(each for each in thresholds if each is not None)
    rejected = float((known < threshold).double().mean()) if len(known) else None
    return Rejection(rate, threshold, left_out, validation, rejected)


@torch.inference_mode()
def support_temperature(support: SupportSet, method: Method, device: torch.device) -> float | None:
    """Return the temperature of a method of means for a support, each picture left out in turn.

    None with fewer than FEWEST pictures, where the one of validation is nearer, and where all are
    classified rightly, so that there is no optimum.
    """
    rows, rest = left_out_of_own(support)
    if len(rows) < FEWEST:
        return None
    evenly = slice(None, None, -(-len(rows) // MOST))
    rows, rest = rows[evenly], rest[evenly]
    labels = support.labels[rows]
    found = logits_left_out(support, rows, support.embeddings[rows] - rest, method, device)
    if bool((found.argmax(dim=1) == labels).all()):
        return None
    return fit_temperature(found, labels)


@torch.inference_mode()
def logits_left_out(
    support: SupportSet,
    rows: Tensor | list[int],
    own: Tensor,
    method: Method,
    device: torch.device,
) -> Tensor:
    """Return logits [K, C] of pictures in `rows` [K], float64, where the prototypes [K, D] of their
    own classes stand without them."""
    embeddings, labels = support.embeddings[rows], support.labels[rows]
    whole, logits = support.prototypes(), [torch.zeros(0, len(support.class_names))]
    for places in torch.split(torch.arange(len(labels)), CHUNK):
        query = embeddings[places]
        prototypes = whole.repeat(len(places), 1, 1)
        prototypes[torch.arange(len(places)), labels[places]] = own[places].to(whole)
        once = method.logits(prototypes[:, :, None].to(device), query[:, None].to(device))
        logits.append(once[:, 0].double().cpu())
    return torch.cat(logits)


def _leave_out(support: SupportSet) -> tuple[UnknownFaces | None, Tensor]:
    """Return pictures with their class left out, and the nearness [K] of known faces."""
    rows, count = picture_rows(support), len(support.class_names)
    if not rows or count < 2:
        return None, torch.zeros(0)
    labels = support.labels[rows]
    to_all = _nearness(support.embeddings[rows], support.prototypes())
    to_others = to_all.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    counted, rest = left_out_of_own(support)
    to_own = torch.full((len(support.labels),), torch.nan, dtype=torch.float64)
    to_own[counted] = -rest.double().square().sum(dim=1)
    known = torch.maximum(to_own[rows], to_others)
    unknown = UnknownFaces(to_others.sort().values, len(set(labels.tolist())), count - 1, count)
    return unknown, known[~known.isnan()]


def _of_validation(support: SupportSet, unknown_faces: Mapping[str, Tensor]) -> UnknownFaces | None:
    """Return stored faces of classes that the support does not have."""
    known = {canonical(name) for name in support.class_names}
    others = [faces for name, faces in unknown_faces.items() if canonical(name) not in known]
    if not others:
        return None
    count = len(support.class_names)
    nearest = _nearness(torch.cat(others), support.prototypes()).amax(dim=1)
    return UnknownFaces(nearest.sort().values, len(others), count, count)


def left_out_of_own(support: SupportSet) -> tuple[Tensor, Tensor]:
    """Return the rows [K] of pictures whose prototype stands without them, and their differences
    [K, D] from it, as long as those of further pictures from the whole prototype.

    A mean of n - 1 lies n / (n - 1) times as far from the picture that was left out as the mean of
    n does. That further pictures have n of them makes their squared distance (n^2 - 1) / n^2 times
    as large: sigma^2 (1 + 1 / n) in the place of sigma^2 (1 + 1 / (n - 1)). Together sqrt((n + 1) /
    (n - 1)). n counts a prior with its weight.
    """
    counts = torch.ones(len(support.labels)) if support.counts is None else support.counts
    totals = torch.zeros(len(support.class_names)).index_add_(0, support.labels, counts)
    rows = torch.tensor(picture_rows(support), dtype=torch.int64)
    rows = rows[totals[support.labels[rows]] > 1]
    labels = support.labels[rows]
    n = totals[labels][:, None]
    difference = support.embeddings[rows] - support.prototypes()[labels]
    return rows, difference * ((n + 1) / (n - 1)).sqrt()


def _nearness(faces: Tensor, prototypes: Tensor) -> Tensor:
    """Return minus the squared distances [N, C] of faces [N, D] to prototypes [C, D], float64."""
    return torch.cat(
        [PROTOTYPES.by_means(prototypes, some) for some in torch.split(faces, CHUNK)]
    ).double()


def _too_few(rate: float, faces: UnknownFaces) -> str:
    """Return the message that so few faces cannot show a rate, and what can be done."""
    possible = math.ceil(1000 * faces.smallest_rate() - 1e-9) / 1000
    return (
        f"reject={rate:g}: {len(faces.nearness)} pictures of {faces.n_classes} classes are too few "
        f"to measure that share of unknown faces: give more pictures, or reject={possible:g} or "
        f"more"
    )
