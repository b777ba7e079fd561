"""Neutral faces of subjects, and embeddings that are taken relative to them.

A resting face that looks sad is taken for sadness, until it is known for what it is: embeddings of
a subject are moved so that the subject's neutral mean comes nearer to that of others.
"""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.table import group_keys
from fewshot_fer.system.errors import DataError

NEUTRAL = "neutral"
USES = "neutral face of the subject"  # in the column `uses`
EXPECTED = 2  # pictures that the neutral mean of others counts for beside a subject's own
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class NeutralFaces:
    """Whose picture each of N is, groups [N], and whether it shows a neutral face [N]."""

    groups: NDArray[np.int64]
    is_neutral: NDArray[np.bool_]


def require_neutral(table: pd.DataFrame, what: str) -> None:
    """Raise DataError where no subject of a FaceTable has a neutral picture beside another, or only
    one subject has a neutral picture. Else say how many subjects have none.

    what: names the table in messages.
    """
    found = neutral_faces(table)
    known = set(found.groups[found.is_neutral])
    if not known:
        names = ", ".join(sorted(table["label"].unique()))
        raise DataError(_refused(what, f"it has no class {NEUTRAL} among {names}"))
    expressive = set(found.groups[~found.is_neutral])
    if len(known) < 2 or not known & expressive:
        raise DataError(
            _refused(
                what,
                f"groups must be subjects that have {NEUTRAL} pictures beside others, as in a CSV "
                f"list with the columns path,label,group",
            )
        )
    subjects = known | expressive
    if len(known) < len(subjects):
        lacking = len(subjects) - len(known)
        log.info("%s: %d of %d subjects have no %s picture", what, lacking, len(subjects), NEUTRAL)


def neutral_faces(table: pd.DataFrame) -> NeutralFaces:
    """Return the neutral faces of a FaceTable, whose groups are subjects (or clips)."""
    groups = pd.factorize(group_keys(table))[0].astype(np.int64)
    return NeutralFaces(groups, (table["label"] == NEUTRAL).to_numpy(dtype=bool))


def all_uses(neutral: NeutralFaces | None, of_method: str) -> str:
    """Return what a result rests on beside the support, "" for plain few-shot."""
    return "; ".join(filter(None, ("" if neutral is None else USES, of_method)))


def relative_to_neutral(
    embeddings: Tensor, groups: NDArray[np.int64], is_neutral: NDArray[np.bool_]
) -> Tensor:
    """Return embeddings [N, D] relative to the neutral mean of their subjects.

    An embedding e of a subject with n neutral pictures other than e itself, of mean m, becomes
    e + n / (n + EXPECTED) * (m' - m), with m' the mean of all subjects' neutral means, again
    without e itself. So neutral faces meet where they lie on average, and prototypes stay where
    they are. A mean of few pictures is uncertain, so it moves less (an empirical Bayes estimate); a
    picture of a subject without another neutral picture stays as it is.
    """
    code = torch.from_numpy(np.unique(groups, return_inverse=True)[1]).to(embeddings.device)
    neutral = torch.from_numpy(is_neutral.copy()).to(embeddings.device)
    own, place = embeddings[neutral].double(), code[neutral]
    n = torch.bincount(place, minlength=int(code.max()) + 1).double()[:, None]
    sums = own.new_zeros(len(n), embeddings.shape[1]).index_add_(0, place, own)
    means, known = sums / n.clamp_min(1), (n > 0).sum().clamp_min(1)
    shifts = (n * means.sum(dim=0) / known - sums) / (n + EXPECTED)
    relative = embeddings + shifts.to(embeddings)[code]
    n, rest = n[place] - 1, sums[place] - own  # without the picture itself
    expected = (means.sum(dim=0) - means[place] + rest / n.clamp_min(1)) / known
    relative[neutral] = (own + n.sign() * (n * expected - rest) / (n + EXPECTED)).to(embeddings)
    return relative


def neutral_shift(neutral: Tensor, expected: Tensor) -> Tensor:
    """Return what is added [D] to a person's embeddings, of whom n neutral pictures [n, D] are
    known, where neutral faces are expected at [D]: the same as in `relative_to_neutral`."""
    n = len(neutral)
    shift: Tensor = (
        (expected.to(neutral).double() - neutral.double().mean(dim=0)) * n / (n + EXPECTED)
    )
    return shift.to(neutral)


def neutral_excess(logits: Tensor, place: int) -> Tensor:
    """Return by how much each class [C] exceeds neutral, at `place`, on a person's neutral face.

    logits [n, C]: of n pictures of it, whose mean counts. Logits less this excess take that face
    for neutral, or just not for anything else, and leave a face as it is that was neutral before.
    """
    mean = logits.mean(dim=0)
    excess: Tensor = (mean - mean[place]).clamp_min(0)
    return excess


def _refused(what: str, reason: str) -> str:
    return (
        f"{what} cannot be taken relative to neutral faces: {reason}. Give "
        f"neutral=none (train: method.neutral=none), or name another test"
    )
