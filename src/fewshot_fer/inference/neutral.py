"""Faces relative to a person's own neutral face: what is added to that person's embeddings."""

import math

import torch
from torch import Tensor, nn

from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.system.errors import ConfigError

NEUTRAL = "neutral"
TIMES_LESS = 10.0  # probable than neutral: each other expression of a neutral face, for a head


@torch.inference_mode()
def neutral_shift(classifier: FaceClassifier, neutral: Tensor) -> Tensor:
    """Return what to add [D] to a person's embeddings, given that of the person's neutral face [D].

    Prototypes: the neutral face comes to lie on the prototype of class neutral. A head: see
    `shift_for_head`. Raises ConfigError where there is no class neutral.
    """
    names = classifier.class_names
    if NEUTRAL not in names:
        raise ConfigError(f"there is no class {NEUTRAL} that a neutral face could be compared with")
    place = names.index(NEUTRAL)
    if classifier.head is None:
        return classifier.prototypes[place].to(neutral) - neutral
    assert isinstance(classifier.head, nn.Linear)
    return shift_for_head(classifier.head, neutral, place, classifier.temperature)


def shift_for_head(head: nn.Linear, neutral: Tensor, place: int, temperature: float) -> Tensor:
    """Return the shortest shift [D] that takes off what a neutral face shows of other expressions.

    A head has no mean of neutral faces to compare with, and a neutral face that it takes for one
    needs no shift. place: of the class neutral. Each class that is more than a TIMES_LESS-th as
    probable as neutral is lowered to that; all other logits stay.
    """
    logits = head(neutral[None])[0].double()
    most = logits[place] - temperature * math.log(TIMES_LESS)
    excess = (logits - most).clamp_min(0)
    excess[place] = 0
    shift: Tensor = -(torch.linalg.pinv(head.weight.double()) @ excess)
    return shift.to(neutral)
