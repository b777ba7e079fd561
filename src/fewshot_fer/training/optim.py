"""Optimisers, and the learning rate of every step."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.models.backbones.stage_weights import stage_weights

MOMENTUM = 0.9  # of sgd
OF_THE_DEVICE = ("lr", "fused", "capturable")  # options that a state from elsewhere must not change
SHARE = "share"  # key of a group whose rate is another than lr: times so much
RISING = 0.3  # share of one cycle in which the rate rises, from a 25th
LOWEST = 1e-4  # of the highest rate, at the end of one cycle


def build_optimiser(
    parameters: Iterable[Parameter],
    settings: TrainConfig,
    encoder: Iterable[Parameter] = (),
    stages: Sequence[Sequence[Parameter]] = (),
) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name, which takes a step in one fused kernel.

    encoder: those of the parameters whose rate is `encoder_rate` times that of the others; stages:
    the same, first to last, where each learns at `layer_decay` of the next one's rate (Howard and
    Ruder, ULMFiT, ACL 2018, section 3.2). On a GPU learning rates are tensors there, which a
    captured graph reads at each replay.
    """
    listed = list(parameters)
    device = listed[0].device
    on_gpu = device.type == "cuda"
    groups = _groups(listed, list(encoder), stages, settings)
    for group in groups:
        rate = settings.lr * group.get(SHARE, 1.0)
        group["lr"] = torch.tensor(rate, device=device) if on_gpu else rate
    fused, decay = on_gpu or device.type == "cpu", settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            groups, momentum=MOMENTUM, weight_decay=decay, nesterov=True, fused=fused
        )
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, weight_decay=decay, fused=fused, capturable=on_gpu)


def stages_by_rate(encoder: nn.Module, settings: TrainConfig) -> Sequence[Sequence[Parameter]]:
    """Return the weights of an encoder's stages where each has a rate of its own, else nothing."""
    return stage_weights(encoder) if settings.layer_decay != 1.0 else ()


def _groups(
    parameters: list[Parameter],
    encoder: list[Parameter],
    stages: Sequence[Sequence[Parameter]],
    settings: TrainConfig,
) -> list[dict[str, Any]]:
    """Return one group or, where the encoder has rates of its own, one more for each of them."""
    rate, decay = settings.encoder_rate, settings.layer_decay
    if (rate == 1.0 and decay == 1.0) or not encoder:
        return [{"params": parameters}]
    by_stage: Sequence[Sequence[Parameter]] = [encoder] if decay == 1.0 else stages
    own = {id(each) for stage in by_stage for each in stage}
    groups: list[dict[str, Any]] = [
        {"params": list(stage), SHARE: rate * decay ** (len(by_stage) - number)}
        for number, stage in enumerate(by_stage, start=1)
    ]
    others = [each for each in parameters if id(each) not in own]
    return [*groups, {"params": others}] if others else groups


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load moments and step counts, also those of a run on another device.

    Options OF_THE_DEVICE stay as they are here. Raises ValueError where the moments have other
    shapes than the weights.
    """
    own = [
        {name: group[name] for name in OF_THE_DEVICE if name in group}
        for group in optimiser.param_groups
    ]
    optimiser.load_state_dict(state)
    for weights, moments in optimiser.state.items():
        shapes = {each.shape for each in moments.values() if isinstance(each, Tensor) and each.ndim}
        if shapes - {weights.shape}:
            raise ValueError(f"moments of {shapes} for weights of {weights.shape}")
    for group, options in zip(optimiser.param_groups, own, strict=True):
        group.update(options)


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate, their share of it for groups that have one; in place where it is a
    tensor."""
    for group in optimiser.param_groups:
        rate = lr * group.get(SHARE, 1.0)
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def learning_rate(settings: TrainConfig, epoch: int, done: float = 0.0) -> float:
    """Return the learning rate when this share (0..1) of an epoch (from 1) is done.

    Supervised and episodic epochs each follow the schedule from its start. `step`: lr * 0.5 **
    (epoch // drop_lr_every): with a drop every 40 epochs the first 39 run at the full rate, one
    less than torch's StepLR(40) stepped after each epoch would give. `cosine`: half a cosine down
    to 0 (Loshchilov and Hutter, ICLR 2017, eq. 5). `one_cycle`: up and down again along cosines
    (Smith and Topin, arXiv:1708.07120).
    """
    highest, first, length = _phase(settings, epoch)
    if settings.schedule == "step":
        every = settings.drop_lr_every
        return float(highest * 0.5 ** (epoch // every)) if every else highest
    gone = min(1.0, (epoch - first + done) / length)
    if settings.schedule == "cosine":
        return _along_cosine(highest, 0.0, gone)
    if gone < RISING:
        return _along_cosine(highest / 25, highest, gone / RISING)
    return _along_cosine(highest, highest * LOWEST, (gone - RISING) / (1 - RISING))


def _phase(settings: TrainConfig, epoch: int) -> tuple[float, int, int]:
    """Return the highest rate, the first epoch and the length of the phase that an epoch is in."""
    supervised = settings.passes
    if epoch <= supervised:
        return settings.lr, 1, supervised
    after = settings.episodic_lr if supervised and settings.episodic_lr else settings.lr
    return after, supervised + 1, max(1, settings.epochs - supervised)


def _along_cosine(start: float, end: float, gone: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * gone)) / 2
