"""Tasks: a protocol with its images, to train on or to evaluate."""

from dataclasses import dataclass

import torch

from fewshot_fer.data.images import FaceImages, load_images
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.saved import episodes_digest
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.fixed import score_fixed
from fewshot_fer.evaluation.metrics import mean_interval
from fewshot_fer.evaluation.results import EvaluationResult, answer_rows, episodic_row
from fewshot_fer.evaluation.scoring import evaluate


@dataclass(frozen=True)
class EpisodicTask:
    """A protocol that draws episodes, and its images."""

    protocol: EpisodicProtocol
    images: FaceImages

    def evaluate(self, model: FewShotModel, seed: int, epoch: int = 0) -> EvaluationResult:
        """Score the episodes of a seed and epoch."""
        episodes = self.protocol.draw(seed, epoch)
        scores = evaluate(model.embedder, model.method, self.images, episodes)
        accuracy, low, high = mean_interval(scores.accuracy)
        row = episodic_row(self.protocol, scores, model.epoch) | {
            "method": model.method.name,
            "uses": model.method.uses,
            "episodes_id": episodes_digest(self.protocol.table_digest, episodes),
        }
        return EvaluationResult(
            rows=[row],
            accuracy=accuracy,
            loss=float(scores.loss.mean()),
            half=(high - low) / 2,
            class_names=episodes.class_names,
            confusion=scores.confusion,
            answers=answer_rows(row, self.protocol.table, scores.row_asked, scores.row_correct),
            each=scores.accuracy,
        )


@dataclass(frozen=True)
class FixedTask:
    """A protocol with a fixed support, its images, and those that the support is drawn from."""

    protocol: FixedProtocol
    images: FaceImages
    support_images: FaceImages

    def evaluate(self, model: FewShotModel, seed: int, epoch: int = 0) -> EvaluationResult:
        """Score every query with every draw of the support; `seed` and `epoch` change nothing."""
        return score_fixed(self.protocol, self.images, self.support_images, model)


Task = EpisodicTask | FixedTask


def load_task(
    protocol: EpisodicProtocol | FixedProtocol, image_size: int, device: torch.device
) -> Task:
    """Decode or open the images of a protocol."""
    images = load_images(protocol.table, image_size, device)
    if isinstance(protocol, EpisodicProtocol):
        return EpisodicTask(protocol, images)
    return FixedTask(protocol, images, load_images(protocol.support_table, image_size, device))
