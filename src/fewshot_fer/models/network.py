"""A network in training: encoder, head and method, the average of their weights, their losses."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.schema import TrainVerb, supervised_epochs
from fewshot_fer.models.backbones.registry import count_channels, count_features
from fewshot_fer.models.backbones.stage_weights import is_batch_norm, stage_weights
from fewshot_fer.models.backbones.stages import maps_of, require_stages
from fewshot_fer.models.methods.method import untrained_method
from fewshot_fer.models.methods.registry import (
    MAPS,
    TRUNK,
    LogitsFunction,
    build_logits,
    find_method,
)


def _itself(encoder: nn.Module) -> nn.Module:
    return encoder


@dataclass
class Network:
    """An encoder with what stands above it.

    encoder: images to embeddings; head: embeddings [B, D] to logits over the training classes, None
    where no classifier's loss is taken; logits: the episodes' method, which may have weights;
    to_episodes: from the encoder to what makes the embeddings of episodes, over the same weights;
    rotation: embeddings to logits over quarter turns, None without that task; of training alone.
    frozen_stages: so many first stages of the encoder learn nothing.
    """

    encoder: nn.Module
    head: nn.Module | None
    logits: LogitsFunction
    to_episodes: Callable[[nn.Module], nn.Module] = _itself
    rotation: nn.Module | None = None
    frozen_stages: int = 0

    @property
    def episode_encoder(self) -> nn.Module:
        """What makes the embeddings of episodes: the encoder, or what gives its maps."""
        return self.to_episodes(self.encoder)

    def modules(self) -> nn.ModuleDict:
        """Return everything with weights, under the names that checkpoints use."""
        named: dict[str, Any] = {"encoder": self.encoder, "head": self.head, "method": self.logits}
        named["rotation"] = self.rotation
        return nn.ModuleDict({k: each for k, each in named.items() if isinstance(each, nn.Module)})

    def start_training(self, freeze_batch_norm: bool) -> None:
        """Set everything to training mode; freeze_batch_norm: but the encoder's batch norms, whose
        weights then learn nothing either, as all those of frozen stages."""
        self.modules().train()
        stages = stage_weights(self.encoder) if self.frozen_stages else []
        frozen = {id(each) for stage in stages[: self.frozen_stages] for each in stage}
        for weights in self.encoder.parameters():
            if id(weights) in frozen:
                weights.requires_grad_(False)
        for module in self.encoder.modules() if freeze_batch_norm or frozen else ():
            if is_batch_norm(module) and (freeze_batch_norm or id(module.weight) in frozen):
                module.eval().requires_grad_(False)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield all weights, each once."""
        return self.modules().parameters()

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return all weights and statistics, under the same names."""
        return {name: module.state_dict() for name, module in self.modules().items()}

    def load(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Set all weights and statistics. Raises RuntimeError where they do not fit."""
        for name, module in self.modules().items():
            module.load_state_dict(state[name])


def map_sizes(name: str, encoder: nn.Module, image_size: int) -> tuple[int, int]:
    """Return D and C of the flattened maps [B, D] that a method on local features compares.

    Raises ConfigError where the encoder has none, or none that the method takes.
    """
    on = find_method(name).on
    if on not in (MAPS, TRUNK):
        return 0, 0
    shape = require_stages(encoder, image_size, name, block=on == TRUNK).shape
    untrained_method(name, math.prod(shape), shape[0])  # which may take fewer channels only
    return math.prod(shape), shape[0]


def build_network(settings: TrainVerb, encoder: nn.Module, n_classes: int) -> Network:
    """Return an encoder with what the settings put above it, on its device and in its dtype."""
    parameter = next(encoder.parameters())
    features = count_features(encoder, settings.backbone.side)
    classifies = supervised_epochs(settings) > 0 or settings.train.classification_weight > 0
    head = nn.Linear(features, n_classes).to(parameter) if classifies else None
    channels, to_episodes = count_channels(encoder, features), _itself
    name = settings.method.name
    if find_method(find_method(name).trained_as).on == MAPS:
        to_episodes = partial(maps_of, side=settings.backbone.side, method=name)
        features, channels = map_sizes(name, encoder, settings.backbone.side)
    logits = build_logits(name, features, channels)
    if isinstance(logits, nn.Module):
        logits.to(parameter)
    frozen = settings.train.frozen_stages
    return Network(encoder, head, logits, to_episodes, frozen_stages=frozen)


class WeightAverage:
    """The average of a network's weights and statistics, which is often more accurate than the
    last ones.

    decay: of a moving average, the share of it that is kept at an update (Tarvainen and Valpola,
    NeurIPS 2017); None: all updates count the same (SWA, Izmailov et al., UAI 2018).
    """

    def __init__(self, network: Network, decay: float | None) -> None:
        self.network = network
        swa = torch.optim.swa_utils
        how = {"avg_fn": swa.get_swa_avg_fn()}  # type: ignore[no-untyped-call]
        if decay is not None:
            how = {"multi_avg_fn": swa.get_ema_multi_avg_fn(decay)}  # type: ignore[no-untyped-call]
        self.model = swa.AveragedModel(network.modules(), **how, use_buffers=True)

    @property
    def updates(self) -> int:
        """How many updates were averaged."""
        return int(self.model.n_averaged)

    def update(self) -> None:
        """Average the weights of this moment in; the first ones are taken whole."""
        self.model.update_parameters(self.network.modules())

    def averaged(self) -> Network:
        """Return the network with the averaged weights."""
        named: dict[str, Any] = dict(self.model.module.named_children())
        logits = named.get("method", self.network.logits)
        to_episodes = self.network.to_episodes
        head, rotation = named.get("head"), named.get("rotation")
        return Network(named["encoder"], head, logits, to_episodes, rotation)

    def state(self) -> dict[str, Any]:
        """Return the weights that are not averaged, and how many steps were."""
        return {"network": self.network.state(), "steps": self.updates}

    def load(self, averaged: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
        """Go back to a state and to its averaged weights, which a checkpoint holds beside it."""
        self.averaged().load(averaged)
        self.network.load(state["network"])
        self.model.n_averaged.fill_(state["steps"])


def query_labels(n_way: int, n_query: int, device: torch.device | None = None) -> Tensor:
    """Return labels [way * query]: positions of classes, all queries of a class together."""
    return torch.arange(n_way, device=device).repeat_interleave(n_query)


def episode_logits(embeddings: Tensor, n_way: int, k_shot: int, method: LogitsFunction) -> Tensor:
    """Return logits [E, way * query, way] of E episodes.

    embeddings [E, way * (shot + query), D]: all support class by class, then all queries the same.
    """
    n_support = n_way * k_shot
    support = embeddings[:, :n_support].unflatten(1, (n_way, k_shot))  # type: ignore[no-untyped-call]
    return method(support, embeddings[:, n_support:])


def episode_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss [E] of each episode: the mean negative log-probability of the true class
    over its queries (Snell et al., NeurIPS 2017, eq. 2).

    logits [E, Q, way], labels [Q].
    """
    expected = labels.expand(len(logits), -1)
    each = F.cross_entropy(logits.flatten(0, 1), expected.flatten(), reduction="none")
    return each.view(len(logits), -1).mean(dim=1)
