"""From crops to answers: which class, how probable, how far, or none of these."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.evaluation.support import SupportSet, picture_rows
from fewshot_fer.inference.crops import embed_crops
from fewshot_fer.models.methods.method import for_single_pictures
from fewshot_fer.runs.load import LoadedRun

NONE = "none of these"
CHUNK_BYTES = 128 * 1024 * 1024  # bound on the differences between queries and support


@dataclass(frozen=True)
class Predictions:
    """The answers to B crops over C classes.

    probabilities [B, C]; given [B]: class numbers; distances [B]: Euclidean, to the prototype of
    the class given; known [B]: False where a face is none of these; nearest, nearest_distances
    [B, K]: the support's pictures nearest to each crop, nearest first, and their Euclidean
    distances.
    """

    class_names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    given: NDArray[np.int64]
    distances: NDArray[np.float64]
    known: NDArray[np.bool_]
    nearest: NDArray[np.int64]
    nearest_distances: NDArray[np.float64]

    def label(self, row: int) -> str:
        """Return the class's name, or that it is none of these."""
        return self.class_names[self.given[row]] if self.known[row] else NONE


class FaceClassifier:
    """A trained run with a support, ready to answer.

    run: what embeds; support: what crops are compared with, the run's own or another; threshold:
    minus the squared distance to the nearest prototype below which a face is none of these, None to
    take every face for one of the classes; neighbours: pictures of the support to name beside each
    answer.

    A classifier answers with its head where the support is the run's own and has the head's
    classes, as in an evaluation with a fixed support. Other methods answer through their class
    means, with the logits of the evaluation; where a method has no such form, the nearest prototype
    answers, composed where classes are.
    """

    def __init__(
        self,
        run: LoadedRun,
        support: SupportSet,
        threshold: float | None = None,
        neighbours: int = 0,
    ) -> None:
        self.run = run
        self.support = support
        self.threshold = threshold
        self.method = for_single_pictures(run.method)
        self.class_names = support.class_names
        own = support is run.support and run.embedder.head_names == support.class_names
        self.head = run.head if own else None
        self.prototypes = support.prototypes()
        self._pictures = torch.tensor(picture_rows(support), dtype=torch.int64)
        self.neighbours = min(neighbours, len(self._pictures))

    def answer(self, crops: NDArray[np.uint8]) -> Predictions:
        """Answer crops [B, 3, S, S], in batches; each answer depends on its own crop alone."""
        return self.answer_embeddings(embed_crops(self.run, crops))

    @torch.inference_mode()
    def answer_embeddings(self, embeddings: Tensor) -> Predictions:
        """Answer embeddings [B, D]."""
        squared = squared_distances(embeddings, self.prototypes)
        nearness = -squared.amin(dim=1)
        logits = self._logits(embeddings, squared)
        given = logits.argmax(dim=1)
        known = np.ones(len(logits), dtype=bool)
        if self.threshold is not None:
            known = (nearness >= self.threshold).cpu().numpy()
        nearest, far = self._nearest(embeddings)
        return Predictions(
            class_names=self.class_names,
            probabilities=torch.softmax(logits, dim=1).cpu().numpy(),
            given=given.cpu().numpy(),
            distances=squared.gather(1, given[:, None])[:, 0].sqrt().cpu().numpy(),
            known=known,
            nearest=nearest.cpu().numpy(),
            nearest_distances=far.sqrt().cpu().numpy(),
        )

    @property
    def answered_by(self) -> str:
        """What answers: `classifier`, `prototypes`, or a method by its name."""
        if self.head is not None:
            return "classifier"
        return "prototypes" if self.method.gives_distances else self.method.name

    @property
    def temperature(self) -> float:
        """What logits are divided by, so that probabilities can be believed; 1 without any."""
        calibration = self.run.calibration
        return calibration.temperature if self.head is None else calibration.head_temperature or 1.0

    @property
    def is_calibrated(self) -> bool:
        """Whether validation had what it takes to find a temperature."""
        return self.head is None or self.run.calibration.head_temperature is not None

    def remarks(self) -> list[str]:
        """Return a line for whatever a user would not expect of the answers."""
        lines = []
        if self.head is None and not self.run.method.is_of_means:
            instead = "the nearest prototype" if self.method.priors is None else "method=composed"
            lines.append(f"method={self.run.method.name} is made for episodes: {instead} answers")
        if not self.is_calibrated:
            lines.append(
                "probabilities are not calibrated: validation had no image of the classifier's "
                "classes, as it has with eval=basic_fixed5"
            )
        return lines

    def _logits(self, embeddings: Tensor, squared: Tensor) -> Tensor:
        if self.head is not None:
            logits: Tensor = self.head(embeddings)
        elif self.method.gives_distances:
            logits = -squared
        else:
            logits = self.method.by_means(self.prototypes.to(embeddings), embeddings)
        return logits.double() / self.temperature

    def _nearest(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Return the places [B, K] of the nearest pictures and their squared distances."""
        if not self.neighbours:
            empty = embeddings.new_zeros((len(embeddings), 0), dtype=torch.float64)
            return empty.long(), empty
        squared = squared_distances(embeddings, self.support.embeddings[self._pictures])
        far, places = squared.topk(self.neighbours, dim=1, largest=False, sorted=True)
        return self._pictures[places.cpu()], far


def squared_distances(queries: Tensor, references: Tensor) -> Tensor:
    """Return float64 squared distances [B, R] of [B, D] to [R, D].

    The differences are formed in the queries' own precision before they are squared, as in
    `models.protonet`; queries go through in chunks, so that memory stays bounded.
    """
    references = references.to(queries)
    per_query = references.numel() * references.element_size()
    chunk = max(1, CHUNK_BYTES // per_query)
    parts = [
        (queries[start : start + chunk, None] - references).square().sum(dim=-1)
        for start in range(0, len(queries), chunk)
    ]
    return torch.cat(parts).double()
