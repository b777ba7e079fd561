"""Decide for a visitor: by the run's head or support, and by what the visitor has taught."""

import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.inference.classifier import FaceClassifier, Predictions
from fewshot_fer.inference.enrol import Enrolment, join_supports, with_run_priors
from fewshot_fer.inference.page.visitor import Visitor
from fewshot_fer.inference.predict_inputs import rejection_for
from fewshot_fer.inference.support_review import review_support
from fewshot_fer.inference.taught import Reach, measure_reach, with_taught
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.runs.starter import support_starter
from fewshot_fer.system.errors import ConfigError

NEIGHBOURS = 5
RATES = (0.05, 0.1, 0.2)  # of unknown faces taken for known; the least that can be measured holds


@dataclass(frozen=True)
class Known:
    """What the page knew before anybody taught it.

    run: embeds faces; start: its support; taught_run: whose support taught pictures make, the same
    run unless that is the starter, whose supports hold embeddings of length 1.
    """

    run: LoadedRun
    start: Enrolment
    taught_run: LoadedRun

    @classmethod
    def of(cls, run: LoadedRun, start: Enrolment) -> "Known":
        """Return it for a run and the support in use."""
        return cls(run, start, support_starter(run.embedder.device) if run.is_starter else run)

    def as_taught(self, embeddings: Tensor) -> Tensor:
        """Return embeddings [B, D] of the run's embedder as taught supports hold them."""
        if not self.run.is_starter:
            return embeddings
        return self.taught_run.embedder.normalisation(embeddings)


class Decider:
    """Decides for one visitor; built anew when the visitor's classes or choices change.

    rejection: the sentence on "none of these", why not where it cannot be had; can_reject: whether
    it can.
    """

    def __init__(self, known: Known, visitor: Visitor) -> None:
        self.known = known
        self.taught = taught = visitor.support(known.taught_run.weights)
        self.only_mine = visitor.only_mine and taught is not None and len(taught.class_names) > 1
        self.reach: Reach | None = None
        self.nearest: FaceClassifier | None = None
        if self.only_mine:
            assert taught is not None
            run, support = known.taught_run, with_run_priors(taught, known.taught_run)
            self.classifier = FaceClassifier(run, support, neighbours=NEIGHBOURS)
        else:
            self._beside(known, taught, visitor.neutral)
        self.can_reject, self.rejection, threshold = self._rejection()
        self.rejects = visitor.may_reject and self.can_reject
        self.classifier.threshold = threshold if self.rejects else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that a face may be."""
        more = self.reach.class_names if self.reach else ()
        return tuple(dict.fromkeys((*self.classifier.class_names, *more)))

    @torch.inference_mode()
    def decide(self, embeddings: Tensor) -> Predictions:
        """Return the predictions for embeddings [B, D] of the run's embedder."""
        if self.only_mine:
            return self.classifier.classify_embeddings(self.known.as_taught(embeddings))
        predictions = self.classifier.classify_embeddings(embeddings)
        if self.nearest is None:
            return predictions
        own = self.known.as_taught(embeddings)
        if self.reach is not None:
            predictions = with_taught(predictions, self.reach, own)
        return replace(predictions, neighbours=self.nearest.classify_embeddings(own).neighbours)

    def odd(self) -> list[str]:
        """Return what is odd about the visitor's classes, a sentence each."""
        if self.taught is None or len(self.taught.class_names) < 2:
            return []
        mine = FaceClassifier(self.known.taught_run, self.taught)
        return [f"{line}." for line in review_support(mine, {}).lines(by_number=True)]

    def how(self) -> str:
        """Return how it decides, for the page's small print."""
        if self.only_mine:
            return "Your classes only: the nearest mean of a class's pictures decides."
        if not self.known.run.is_starter:
            return f"Classes of the page and yours are compared alike: by {self._by()}."
        if self.reach is None:
            return "The seven are the network's own; they need no pictures."
        return (
            "A face belongs to a class of yours by how near it is to the mean of its "
            "pictures, measured by how near each of these is to the mean of the others. What is "
            "left of 100 % is shared by the seven as the network has it."
        )

    def _by(self) -> str:
        return self.classifier.decided_by

    def _beside(self, known: Known, taught: SupportSet | None, neutral: Tensor | None) -> None:
        """Set what decides where taught classes stand beside those of the run."""
        run, support = known.run, known.start.support
        faces = None if neutral is None else neutral[None].to(run.embedder.device)
        self.classifier = FaceClassifier(run, support, neighbours=NEIGHBOURS, neutral=faces)
        if taught is None:
            return
        if run.is_starter:
            self.reach = measure_reach(taught)
            self.nearest = FaceClassifier(known.taught_run, taught, neighbours=NEIGHBOURS)
            return
        # Pictures of the same person: as far from the person's face as before.
        taught = replace(taught, embeddings=self.classifier.relative(taught.embeddings))
        joined = with_run_priors(join_supports(support, taught), run)
        self.classifier = FaceClassifier(run, joined, neighbours=NEIGHBOURS, neutral=faces)

    def _rejection(self) -> tuple[bool, str, float | None]:
        """Return whether "none of these" can be had, a sentence on it, and its threshold."""
        if self.known.run.is_starter and not self.only_mine:
            return False, "The seven have no pictures to be far from; choose only my classes.", None
        reason = ""
        for rate in RATES:
            try:
                found = rejection_for(rate, self.classifier.support, self.classifier.run)
            except ConfigError as error:
                reason = reason or re.sub(r"^reject=\S+ ", "", str(error))
                continue
            assert found is not None
            return True, f"It takes {100 * rate:.0f} % of unknown faces for known.", found.threshold
        return False, f"Not yet: {reason}.", None
