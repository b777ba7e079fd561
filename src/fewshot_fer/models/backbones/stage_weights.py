"""The weights of an encoder stage by stage, from its input to its embeddings.

For rates that differ between stages and for stages that stay as they came.
"""

from collections.abc import Iterator
from typing import TypeGuard

from torch import nn

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.models.backbones.stages import is_timm
from fewshot_fer.models.preprocessing import Encoder
from fewshot_fer.system.errors import ConfigError

BODIES = ("features", "blocks", "layers", "encoder", "trunk_output")
"""What torchvision's networks call the part that holds their stages one after another."""
Weights = list[nn.Parameter]
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.SyncBatchNorm


def stage_weights(encoder: nn.Module) -> list[Weights]:
    """Return the weights of each stage, the first one's first; each weight stands in one of them.

    The stages are: of the package's encoders, and of a user's with a method `stages`, the blocks;
    of timm's what timm groups; of torchvision's the parts of `features`, the layers of a ResNet or
    the blocks of a transformer, behind their stem. A norm on its own belongs to what it follows.
    """
    network = encoder.network if isinstance(encoder, Encoder) else encoder
    parts = _timm_parts(network) if is_timm(network) else _parts(network)
    stages: list[Weights] = []
    for weights in parts:
        if stages and all(each.ndim < 2 for each in weights):
            stages[-1] += weights
        else:
            stages.append(weights)
    known = {id(each) for stage in stages for each in stage}
    apart = [each for each in encoder.parameters() if id(each) not in known]  # of positions, say
    if stages:
        stages[0] += apart
    return stages or [apart]


def is_batch_norm(module: nn.Module) -> TypeGuard[BatchNorm]:
    """Return whether a module is a batch norm of images or embeddings."""
    return isinstance(module, BatchNorm)


def require_named_weights(encoder: nn.Module, name: str, settings: TrainConfig) -> None:
    """Raise ConfigError where settings name batch norms or stages that an encoder called `name` has
    not, or leave no stage to learn."""
    if settings.freeze_batch_norm and not any(map(is_batch_norm, encoder.modules())):
        raise ConfigError(
            f"train.freeze_batch_norm=true: backbone={name} has no batch norms: leave it out"
        )
    decay, frozen = settings.layer_decay, settings.frozen_stages
    if decay == 1.0 and not frozen:
        return
    key, count = f"train.frozen_stages={frozen}", len(stage_weights(encoder))
    if count < 2:
        key = key if frozen else f"train.layer_decay={decay:g}"
        raise ConfigError(
            f"{key} needs an encoder in stages, and backbone={name} has one only: leave it out"
        )
    if frozen >= count:
        raise ConfigError(
            f"{key}: backbone={name} has {count} stages: give {count - 1} or fewer, so that one "
            f"learns, or take train=frozen"
        )


def _parts(network: nn.Module) -> Iterator[Weights]:
    """Yield the weights of the parts that a network of torchvision's, or with `stages`, is of."""
    if callable(stages := getattr(network, "stages", None)):
        trunk, block, tail = stages()
        row = [*(trunk.children() if isinstance(trunk, nn.Sequential) else [trunk]), block, tail]
    else:
        row = list(_in_a_row(network))
    for part in row:
        if part is not None and (weights := list(part.parameters())):
            yield weights


def _in_a_row(network: nn.Module) -> Iterator[nn.Module]:
    for name, child in network.named_children():
        if name in BODIES:
            yield from _in_a_row(child)
        else:
            yield child


def _timm_parts(network: nn.Module) -> Iterator[Weights]:
    """Yield the weights of timm's groups; all at once where it knows none."""
    if not callable(matcher := getattr(network, "group_matcher", None)):
        return
    from timm.models import group_parameters

    named = dict(network.named_parameters())
    for names in group_parameters(network, matcher(coarse=True)).values():
        yield [named[name] for name in names]
