"""Refine predictions by one another: all faces of a call are the queries of one transductive task.

A folder or a film may show one class a hundred times and another one never. So the default assumes
nothing of how often classes occur, as BD-CSPN, TIM and PT-MAP do.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fewshot_fer.config.names import one_of
from fewshot_fer.data.neutral import USES as NEUTRAL_FACE
from fewshot_fer.evaluation.support import SupportSet, picture_rows
from fewshot_fer.inference.classifier import FaceClassifier, Predictions, squared_distances
from fewshot_fer.inference.crops import Crop
from fewshot_fer.models.methods.method import PROTOTYPES, refined, untrained_method
from fewshot_fer.models.methods.registry import method_names
from fewshot_fer.system.errors import ConfigError

DEFAULT = "laplacian"
MOST_TOGETHER = 5_000  # faces of one task: 100 MB for each matrix of their distances
USES = "all faces of the call together"  # in the column `uses`
Place = tuple[str, int, int]  # file, frame (-1 for a picture) and number of a face
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Refinement:
    """A classifier, and the transductive method by which the faces of a call refine what it says.

    The support enters as in an episode: its pictures where every class has equally many and no
    prior, else class means, each in the place of as many pictures as in composed episodes.
    """

    classifier: FaceClassifier
    by: str

    @torch.inference_mode()
    def classify_embeddings(self, embeddings: Tensor, places: Sequence[Place]) -> Predictions:
        """Classify embeddings [N, D] of N faces, found at different places, together.

        More than MOST_TOGETHER are several tasks, each with faces from all over the sorted places:
        their order changes nothing. Distances are those to the support's own prototypes.
        """
        order = sorted(range(len(places)), key=places.__getitem__)
        tasks = math.ceil(len(order) / MOST_TOGETHER)
        rows = [order[start::tasks] for start in range(tasks)]
        device = self.classifier.run.embedder.device
        made = [self._together(embeddings[of_task].to(device)) for of_task in rows]
        return _joined(made, np.argsort(np.concatenate(rows)))

    @property
    def uses(self) -> str:
        """What predictions rest on beside pictures of a support, as the column `uses` has it."""
        return "; ".join(filter(None, (uses_of(self.classifier), USES)))

    def has_others(self, n_faces: int) -> bool:
        """Return whether so many faces can refine one another; warn of one that is alone."""
        if n_faces == 1:
            log.warning("refine=%s: one face alone, which no other refines", self.by)
        return n_faces > 1

    def remarks(self) -> list[str]:
        """Return a line for whatever a user would not expect of the predictions."""
        return [
            *self.classifier.remarks(),
            f"refine={self.by}: all faces of this call decide together, so each prediction rests "
            f"on the others too; probabilities are not calibrated then",
        ]

    def _together(self, embeddings: Tensor) -> Predictions:
        """Return predictions for the faces [n, D] of one task."""
        classifier = self.classifier
        alone = classifier.classify_embeddings(embeddings)
        queries = classifier.relative(embeddings)
        logits = self._logits(queries).double()
        predicted = logits.argmax(dim=1)
        squared = squared_distances(queries, classifier.prototypes)
        nearest = squared.gather(1, predicted[:, None])[:, 0]
        return replace(
            alone,
            probabilities=logits.softmax(dim=1).cpu().numpy(),
            predicted=predicted.cpu().numpy(),
            distances=nearest.sqrt().cpu().numpy(),
        )

    def _logits(self, queries: Tensor) -> Tensor:
        pictures = _equal_pictures(self.classifier.support)
        if pictures is not None:
            method = untrained_method(self.by)
            return method.logits(pictures.to(queries)[None], queries[None])[0]
        means = self.classifier.prototypes.to(queries)
        return refined(PROTOTYPES, self.by).by_means(means, queries)


def refinement(given: bool | str, classifier: FaceClassifier) -> Refinement | None:
    """Return the refinement that `refine=` names, None for false.

    Raises ConfigError for an unknown one, and where the support has nothing to refine.
    """
    if isinstance(given, bool):
        given = DEFAULT if given else "none"
    one_of("refine", given, ("true", "false", "none", *method_names(refines=True)))
    if given in ("none", "false"):
        return None
    by = DEFAULT if given == "true" else given
    if classifier.head is not None and not picture_rows(classifier.support):
        raise ConfigError(
            f"refine={by}: the starter's own logits decide here, and prototypes are what queries "
            f"refine: give support=folder with a few pictures a class, or run="
        )
    return Refinement(classifier, by)


def place_of(crop: Crop) -> Place:
    """Return what tells a face from all others of a call."""
    frame = -1 if crop.source.frame is None else crop.source.frame
    return crop.source.name, frame, crop.face or 0


def uses_of(classifier: FaceClassifier) -> str:
    """Return what predictions rest on beside pictures of a support, as the column `uses` has it."""
    support, priors = classifier.support, classifier.run.known_priors
    named = classifier.head is None and len(picture_rows(support)) < len(support.paths)
    known = priors.uses if named and priors is not None else ""
    return "; ".join(filter(None, (known, NEUTRAL_FACE if classifier.neutral is not None else "")))


def some(predictions: Predictions, rows: slice) -> Predictions:
    """Return the predictions of these rows alone."""
    near = predictions.neighbours
    return replace(
        predictions,
        probabilities=predictions.probabilities[rows],
        predicted=predictions.predicted[rows],
        distances=predictions.distances[rows],
        known=predictions.known[rows],
        neighbours=None if near is None else near[rows],
    )


def _equal_pictures(support: SupportSet) -> Tensor | None:
    """Return the pictures [C, shot, D] of a support, None where classes differ in their number or
    have priors."""
    sizes = torch.bincount(support.labels, minlength=len(support.class_names))
    if len(picture_rows(support)) < len(support.paths) or len(set(sizes.tolist())) > 1:
        return None
    if support.counts is not None and bool((support.counts != 1).any()):
        return None
    by_class = support.embeddings[support.labels.argsort(stable=True)]
    return by_class.view(len(sizes), -1, by_class.shape[1])


def _joined(made: Sequence[Predictions], rows: np.ndarray) -> Predictions:
    """Return the predictions of several tasks as one, in the order of these rows."""
    near = [each for of_task in made for each in of_task.neighbours or ()]
    return replace(
        made[0],
        probabilities=np.concatenate([each.probabilities for each in made])[rows],
        predicted=np.concatenate([each.predicted for each in made])[rows],
        distances=np.concatenate([each.distances for each in made])[rows],
        known=np.concatenate([each.known for each in made])[rows],
        neighbours=[near[row] for row in rows] if near else None,
    )
