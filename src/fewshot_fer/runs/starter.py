"""The starter: the package's expression network in the place of a trained run.

It classifies without any training: by the seven logits of its own, by their composition for classes
that are named, or by a user's support of a few pictures a class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fewshot_fer.config.model_schema import BackboneConfig, MethodConfig
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.config.verb_settings import RunChoice
from fewshot_fer.data.labels import canonical, parts_of
from fewshot_fer.evaluation.calibration import Calibration
from fewshot_fer.evaluation.embedder import Embedder, embedding_digest
from fewshot_fer.evaluation.support import COMPOSED, SupportSet
from fewshot_fer.models.backbones.card import PACKAGED
from fewshot_fer.models.backbones.face_expression import CARD, CLASSES, packaged_weights
from fewshot_fer.models.backbones.registry import build_encoder
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.runs.load import LoadedRun, load_run
from fewshot_fer.system.errors import ConfigError

NAME = Path("starter")  # in the place of a run's folder
TEMPERATURE = 3.2  # of its logits: on two sets of real photographs 3.4 and 3.0 were right
OF_UNIT_LENGTH = (
    0.12  # the same of squared distances between embeddings of length 1: right for five
)
# drawn faces a class of five or seven, and a guess for others


def choose_run(
    settings: RunChoice, device: torch.device, class_names: Sequence[str] = ()
) -> LoadedRun:
    """Return the run that the settings name or, without one, the starter: for their support, or
    with its own logits of class_names, all of its own where none are given.

    Raises UserError where that cannot be had.
    """
    if settings.run is not None:
        return load_run(Path(settings.run).expanduser(), settings.checkpoint, device)
    if settings.support is None:
        return starter(class_names or CLASSES, device)
    return support_starter(device)


def starter(class_names: Sequence[str] = CLASSES, device: torch.device | str = "cpu") -> LoadedRun:
    """Return the starter with its own logits, for its seven classes or compositions of them.

    A class that is made of m others is compared as a mixture of them in equal shares: minus the
    Kullback-Leibler divergence from it to the network's probabilities p is log m + mean(log p_i).
    Raises ConfigError for a class that is made of none.
    """
    names = tuple(canonical(name) for name in class_names)
    parts = [_parts_of(name) for name in names]
    own = packaged_weights()
    rows = [[CLASSES.index(part) for part in each] for each in parts]
    head = nn.Linear(own["head.weight"].shape[1], len(names)).requires_grad_(False)
    head.weight.copy_(torch.stack([own["head.weight"][each].mean(dim=0) for each in rows]))
    offsets = torch.tensor([TEMPERATURE * math.log(len(each)) for each in rows])
    head.bias.copy_(torch.stack([own["head.bias"][each].mean() for each in rows]) + offsets)
    loaded = _Starter("classifier", Normalisation(), head.to(device), names)
    return loaded.run(device, head.weight.cpu(), parts)


def support_starter(device: torch.device | str = "cpu") -> LoadedRun:
    """Return the starter for supports of a user's own: the nearest prototype among embeddings of
    unit length."""
    weights = packaged_weights()["head.weight"]
    loaded = _Starter("protonet", Normalisation("l2"), None, CLASSES)
    return loaded.run(device, weights, [(name,) for name in CLASSES])


@dataclass(frozen=True)
class _Starter:
    """method: by its name; head: features [B, 256] to logits over class_names, None without."""

    method: str
    normalisation: Normalisation
    head: nn.Module | None
    class_names: tuple[str, ...]

    def run(
        self, device: torch.device | str, weights: Tensor, parts: Sequence[tuple[str, ...]]
    ) -> LoadedRun:
        """Return it as a run is loaded. weights [C, 256]: of the classes' logits, whose support
        holds no picture; parts: of each class."""
        settings = TrainVerb(
            backbone=BackboneConfig("face_expression", image_size=112, weights=PACKAGED),
            method=MethodConfig(self.method, normalise=self.normalisation.kind),
        )
        encoder = build_encoder(settings.backbone)
        state = encoder.state_dict()
        embedder = Embedder(encoder.to(device), head=self.head, head_names=self.class_names)
        embedder = embedder.normalised(self.normalisation)
        digest = embedding_digest(state, embedder)
        support = SupportSet(
            class_names=self.class_names,
            embeddings=weights,
            labels=torch.arange(len(self.class_names)),
            paths=tuple(f"{COMPOSED}{' + '.join(each)})" for each in parts),
            weights=digest,
        )
        return LoadedRun(
            folder=NAME,
            settings=settings,
            embedder=embedder,
            image_size=CARD.expected.image_size,
            class_names=self.class_names,
            support=support,
            calibration=Calibration(OF_UNIT_LENGTH, head_temperature=TEMPERATURE),
            weights=digest,
            method=PROTOTYPES,
            known_priors=None,
            is_starter=True,
        )


def _parts_of(name: str) -> tuple[str, ...]:
    """Return the starter's classes that a class is made of, itself alone for one of them."""
    parts = parts_of(name)
    if all(part in CLASSES for part in parts):
        return parts
    raise ConfigError(
        f"classes: the starter knows {', '.join(CLASSES)} and classes composed of these, and no "
        f"{name}: give pictures of it with support=folder, or a run that was trained with run="
    )
