"""Classes that a person teaches beside those of a classifier head, which has no pictures.

Whether a face belongs to a taught class is decided by distance alone. With n pictures of a class,
d_1 .. d_n their distances to the prototype of the others (as long as those of further pictures, see
`left_out_of_own`), r their mean and s their standard deviation, a face at distance d belongs to it
with probability

    P(d) = 1 / (1 + exp((d - middle) / width)),   middle = r + 2 u,   width = 2 u / 3,
    u = sqrt((s^2 + LEAST_SPREAD^2) (1 + 2 / (n - 1)))

so that P(r) = 0.95; few pictures widen it. P is that of the nearest taught class. The head's
probabilities are multiplied by 1 - P, and the taught classes share P by a softmax over minus their
squared distances.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.evaluation.support_calibration import left_out_of_own
from fewshot_fer.inference.classifier import Predictions, squared_distances
from fewshot_fer.runs.starter import OF_UNIT_LENGTH

LEAST_PICTURES = 2  # of a class, so that one can be left out
LEAST_SPREAD = 0.1
"""Of distances between embeddings of length 1: pictures taken in one go are more alike than later
ones. Turned, scaled and lit otherwise, one face lay 0.14 +- 0.02 from its mean; other expressions
lay 0.5 and more away."""


@dataclass(frozen=True)
class Reach:
    """How far the pictures of C taught classes lie from their own prototypes.

    prototypes [C, D]; middle, width [C]: of the logistic curve, see above.
    """

    class_names: tuple[str, ...]
    prototypes: Tensor
    middle: Tensor
    width: Tensor

    @torch.inference_mode()
    def shares(self, embeddings: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each class's share [B, C] of every embedding [B, D], and the distances [B, C].

        The shares of a face sum to P of its nearest class.
        """
        squared = squared_distances(embeddings, self.prototypes).cpu()
        distances = squared.sqrt()
        nearest = distances.argmin(dim=1)
        away = distances.gather(1, nearest[:, None])[:, 0]
        total = torch.sigmoid((self.middle[nearest] - away) / self.width[nearest])
        shares = total[:, None] * torch.softmax(-squared / OF_UNIT_LENGTH, dim=1)
        return shares.numpy(), distances.numpy()


def measure_reach(taught: SupportSet) -> Reach | None:
    """Return the reach of the classes with at least LEAST_PICTURES pictures; None without any.

    taught: of embeddings of length 1.
    """
    rows, differences = left_out_of_own(taught)
    labels, distances = taught.labels[rows], differences.double().norm(dim=1)
    places = sorted(set(labels.tolist()))
    if not places:
        return None
    middles, widths = [], []
    for place in places:
        own = distances[labels == place]
        few = 1 + 2 / (len(own) - 1)
        spread = float(((own.var() + LEAST_SPREAD**2) * few).sqrt())
        middles.append(float(own.mean()) + 2 * spread)
        widths.append(2 * spread / 3)
    return Reach(
        class_names=tuple(taught.class_names[place] for place in places),
        prototypes=taught.prototypes()[places],
        middle=torch.tensor(middles, dtype=torch.float64),
        width=torch.tensor(widths, dtype=torch.float64),
    )


def with_taught(of_head: Predictions, reach: Reach, embeddings: Tensor) -> Predictions:
    """Return a head's predictions for B faces joined with those of taught classes.

    embeddings [B, D]: of length 1. A taught class with the name of one of the head's is added to
    it. Distances are those to the prototype of a taught class, NaN where the head decides.
    """
    shares, distances = reach.shares(embeddings)
    names = tuple(dict.fromkeys((*of_head.class_names, *reach.class_names)))
    joined = np.zeros((len(shares), len(names)))
    joined[:, : len(of_head.class_names)] = of_head.probabilities * (
        1 - shares.sum(axis=1, keepdims=True)
    )
    away = np.full(joined.shape, np.nan)
    for place, name in enumerate(reach.class_names):
        joined[:, names.index(name)] += shares[:, place]
        away[:, names.index(name)] = distances[:, place]
    predicted = joined.argmax(axis=1)
    return replace(
        of_head,
        class_names=names,
        probabilities=joined,
        predicted=predicted,
        distances=away[np.arange(len(away)), predicted],
        known=np.ones(len(joined), dtype=bool),
    )
