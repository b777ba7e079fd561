"""Calibration of distances: probabilities that can be believed, and "none of these".

Both are fitted on validation queries. A temperature spreads or sharpens the softmax (Guo et al.,
"On Calibration of Modern Neural Networks", ICML 2017, section 4.2). How near a face of an unknown
class comes to a prototype is measured by taking each query's own class out of its support.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewshot_fer.system.errors import RunError

QUANTILES = 1001
STEPS = 80  # of a golden-section search, which leaves exp(-38) of the interval
LOWEST, HIGHEST = math.log(1e-4), math.log(1e8)  # of the logarithm of the temperature
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Calibration:
    """Calibration fitted on validation queries.

    Nearness is minus the squared Euclidean distance to the nearest prototype.
    """

    temperature: float  # probabilities = softmax(logits / temperature), for single pictures
    known: Tensor  # [1001] quantiles of nearness where the query's class is in the support
    unknown: Tensor  # [1001] the same where it was taken out
    head_temperature: float | None = None  # of a classifier's head; None: validation knows no class

    def threshold(self, false_accept: float) -> float:
        """Return the nearness that this share (0..1) of faces of unknown classes exceeds."""
        return float(torch.quantile(self.unknown, 1 - false_accept))

    def false_reject(self, threshold: float) -> float:
        """Return the share (0..1) of known-class queries that a threshold turns away."""
        return float((self.known < threshold).double().mean())

    def content(self) -> dict[str, Any]:
        """Return plain values, which a file can hold."""
        return dict(vars(self))


def calibration_from(content: dict[str, Any], where: str) -> Calibration:
    """Return the calibration in `content`, checked. Raises RunError naming `where` it lay."""
    try:
        found = Calibration(**content)
        of_head = [] if found.head_temperature is None else [found.head_temperature]
        fits = all(_is_temperature(each) for each in (found.temperature, *of_head))
        fits = fits and found.known.shape == found.unknown.shape == (QUANTILES,)
    except (TypeError, AttributeError) as error:
        raise RunError(f"{where}: the calibration in it is damaged") from error
    if not fits:
        raise RunError(f"{where}: the calibration in it is damaged")
    return found


def calibrate(logits: Tensor, nearness: Tensor, labels: Tensor) -> Calibration:
    """Return a calibration fitted on logits [N, way] and nearness [N, way].

    nearness: minus the squared distances to the prototypes; labels [N]: true positions among them.
    """
    nearness, labels = nearness.double().cpu(), labels.cpu()
    without = nearness.scatter(1, labels[:, None], -torch.inf)
    steps = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    return Calibration(
        temperature=fit_temperature(logits.double().cpu(), labels),
        known=torch.quantile(_at_most(nearness.amax(dim=1)), steps).float(),
        unknown=torch.quantile(_at_most(without.amax(dim=1)), steps).float(),
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature with the least mean negative log-likelihood of labels [N].

    The likelihood has one optimum in the temperature, since it is concave in its inverse. Logits
    that are always right have none: their temperature is the lowest of the range searched, 1e-4.
    """

    def cost(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(torch.nn.functional.cross_entropy(scaled, labels))

    low, high = LOWEST, HIGHEST
    for _ in range(STEPS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if cost(left) <= cost(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _at_most(values: Tensor, count: int = 1_000_000) -> Tensor:
    """Return an even selection of values: torch.quantile takes no more than 16 million."""
    return values[:: max(1, -(-len(values) // count))]


def _is_temperature(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
