"""Classify face crops with a trained run: class, probabilities, distance, or none of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.labels import canonical
from fewshot_fer.data.neutral import NEUTRAL, neutral_excess, neutral_shift
from fewshot_fer.evaluation.support import SupportSet, picture_rows
from fewshot_fer.evaluation.support_calibration import FEWEST, support_temperature
from fewshot_fer.models.backbones.face_expression import CARD
from fewshot_fer.models.methods.method import for_single_pictures
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.system.errors import ConfigError

NONE = "none of these"
CHUNK_BYTES = 128 * 1024 * 1024  # bound on the differences between queries and support


@dataclass(frozen=True)
class Neighbour:
    """A support picture near a face; distance: Euclidean, between their embeddings."""

    file: str
    label: str
    distance: float


@dataclass(frozen=True)
class Predictions:
    """The predictions for B crops over C classes.

    probabilities [B, C]; predicted [B]: class numbers; distances [B]: Euclidean, to the prototype
    of the predicted class, NaN where there is none; known [B]: False where a face is none of these
    classes; neighbours [B]: the nearest support pictures, nearest first, None without explain.
    """

    class_names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    distances: NDArray[np.float64]
    known: NDArray[np.bool_]
    neighbours: Sequence[Sequence[Neighbour]] | None

    def label(self, row: int) -> str:
        """Return the name of the predicted class, or that it is none of these."""
        return self.class_names[self.predicted[row]] if self.known[row] else NONE


class FaceClassifier:
    """A trained run and the support that it compares faces with.

    run: embeds the crops; support: the run's own or another; threshold: minus the squared distance
    to the nearest prototype below which a face is none of these, None to take every face for one of
    the classes; neighbours: how many support pictures to name beside each prediction; neutral:
    embeddings [n, D] of a person's neutral face, which predictions are then relative to. Raises
    ConfigError where it is not known what a neutral face is.

    The run's classifier head decides where the support is the run's own and has the head's classes,
    as in an evaluation with a fixed support. Other methods decide through their class means, with
    the logits of the evaluation; where a method has no such form, the nearest prototype decides,
    composed where classes are.
    """

    def __init__(
        self,
        run: LoadedRun,
        support: SupportSet,
        threshold: float | None = None,
        neighbours: int = 0,
        neutral: Tensor | None = None,
    ) -> None:
        self.run = run
        self.support = support
        self.threshold = threshold
        self.neighbours = neighbours
        self.method = for_single_pictures(run.method)
        self.class_names = support.class_names
        own = support is run.support and run.embedder.head_names == support.class_names
        self.head = run.embedder.head if own else None
        self.prototypes = support.prototypes()
        self.neutral = neutral
        self._shift: Tensor | float = 0.0  # of embeddings
        self._excess: Tensor | float = 0.0  # of logits
        if neutral is not None:
            self._relate_to(neutral)

    def classify(self, crops: NDArray[np.uint8]) -> Predictions:
        """Classify crops [B, 3, S, S]; each prediction depends on its own crop alone."""
        return self.classify_embeddings(self.run.embedder.embed_pixels(crops))

    @torch.inference_mode()
    def classify_embeddings(self, embeddings: Tensor) -> Predictions:
        """Classify embeddings [B, D]."""
        embeddings = self.relative(embeddings)
        squared = squared_distances(embeddings, self.prototypes)
        logits = self._logits(embeddings, squared)
        predicted = logits.argmax(dim=1)
        known = np.ones(len(logits), dtype=bool)
        if self.threshold is not None:
            known = (-squared.amin(dim=1) >= self.threshold).cpu().numpy()
        return Predictions(
            class_names=self.class_names,
            probabilities=torch.softmax(logits, dim=1).cpu().numpy(),
            predicted=predicted.cpu().numpy(),
            distances=self._distances(squared, predicted),
            known=known,
            neighbours=self._nearest(embeddings) if self.neighbours else None,
        )

    def relative(self, embeddings: Tensor) -> Tensor:
        """Return embeddings [B, D] as they are compared: relative to the neutral face, if given."""
        return embeddings + self._shift

    @property
    def decided_by(self) -> str:
        """What gives the logits: `classifier`, `prototypes`, or a method by its name."""
        if self.head is not None:
            return "classifier"
        return "prototypes" if self.method.gives_distances else self.method.name

    @cached_property
    def temperature(self) -> float:
        """What logits are divided by to calibrate probabilities; 1 where it is not known.

        It is fitted on the support where that has enough pictures, and none of the run's own, which
        training saw.
        """
        calibration = self.run.calibration
        if self.head is not None:
            return calibration.head_temperature or 1.0
        return self._of_support or calibration.temperature

    @cached_property
    def _of_support(self) -> float | None:
        """The temperature that the support itself shows, None where it shows none."""
        if self.run.shares_pictures(self.support):
            return None
        return support_temperature(self.support, self.method, self.run.embedder.device)

    @property
    def is_calibrated(self) -> bool:
        """Whether validation, or the support, had the images that a temperature is found with."""
        if self.head is not None:
            return self.run.calibration.head_temperature is not None
        return not self.run.is_starter or self._of_support is not None

    def remarks(self) -> list[str]:
        """Return a line for whatever a user would not expect of the predictions."""
        lines = []
        if self.neutral is not None:
            lines.append(f"relative to the neutral face of {len(self.neutral)} picture(s)")
        elif self.run.settings.method.neutral == "subject":
            lines.append("the run was tested relative to neutral faces: give neutral=picture too")
        if self.run.is_starter:
            lines.append(
                f"no run= is given, so the starter answers: {CARD.architecture}, trained on "
                f"{CARD.trained_on}"
            )
            if not self.is_calibrated:
                lines.append(
                    f"probabilities are not calibrated: that takes a support of {FEWEST} pictures"
                )
            return lines
        if self.head is None and not self.run.method.is_of_means:
            instead = "the nearest prototype" if self.method.priors is None else "method=composed"
            lines.append(f"method={self.run.method.name} is made for episodes: {instead} answers")
        if not self.is_calibrated:
            lines.append(
                "probabilities are not calibrated: validation had no image of the classifier's "
                "classes, as it has with eval=basic_fixed5"
            )
        return lines

    def _relate_to(self, neutral: Tensor) -> None:
        """Find what predictions change by where this is a person's neutral face [n, D].

        Neutral faces are expected at the support's prototype, else at training's. The starter knows
        no such place without a support, but logits.
        """
        names, priors = [canonical(name) for name in self.class_names], self.run.known_priors
        if NEUTRAL in names and self.head is not None and self.run.is_starter:
            self._excess = neutral_excess(self.head(neutral), names.index(NEUTRAL))
        elif NEUTRAL in names:
            self._shift = neutral_shift(neutral, self.prototypes[names.index(NEUTRAL)])
        elif priors is not None and NEUTRAL in priors.class_names:
            expected = priors.prototypes[priors.class_names.index(NEUTRAL)]
            self._shift = neutral_shift(neutral, expected)
        else:
            raise ConfigError(
                f"neutral=: no class here is {NEUTRAL}, so where neutral faces lie is not known: "
                f"add a folder {NEUTRAL}/ with a few to the support, or name it in classes="
            )

    def _distances(self, squared: Tensor, predicted: Tensor) -> NDArray[np.float64]:
        """Return the distances [B] to the prototypes of predicted classes; NaN where a head decides
        and no picture is there to be far from."""
        distances: Tensor = squared.gather(1, predicted[:, None])[:, 0].sqrt().cpu()
        if self.head is not None and not picture_rows(self.support):
            distances = distances.fill_(torch.nan)
        return distances.numpy()

    def _logits(self, embeddings: Tensor, squared: Tensor) -> Tensor:
        if self.head is not None:
            logits: Tensor = self.head(embeddings) - self._excess
        elif self.method.gives_distances:
            logits = -squared
        else:
            logits = self.method.by_means(self.prototypes.to(embeddings), embeddings)
        return logits.double() / self.temperature

    def _nearest(self, embeddings: Tensor) -> list[list[Neighbour]]:
        """Return the support pictures nearest to each embedding; priors are no pictures."""
        support, pictures = self.support, picture_rows(self.support)
        count = min(self.neighbours, len(pictures))
        if not count:
            return [[] for _ in embeddings]
        squared = squared_distances(embeddings, support.embeddings[pictures])
        found = squared.topk(count, dim=1, largest=False, sorted=True)
        files, labels = support.paths, support.labels.tolist()
        nearest = zip(found.indices.tolist(), found.values.sqrt().tolist(), strict=True)
        return [
            [
                Neighbour(files[row], support.class_names[labels[row]], distance)
                for row, distance in zip((pictures[i] for i in places), distances, strict=True)
            ]
            for places, distances in nearest
        ]


def squared_distances(queries: Tensor, references: Tensor) -> Tensor:
    """Return float64 squared distances [B, R] of [B, D] to [R, D].

    The differences are formed in the queries' own precision before they are squared, as in
    `prototype_logits`; queries go through in chunks, so that memory stays bounded.
    """
    references = references.to(queries)
    per_query = references.numel() * references.element_size()
    chunk = max(1, CHUNK_BYTES // per_query)
    chunks = [
        (queries[start : start + chunk, None] - references).square().sum(dim=-1)
        for start in range(0, len(queries), chunk)
    ]
    return torch.cat(chunks).double()
