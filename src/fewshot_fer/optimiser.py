"""Optimisers, fused, and such that a GPU need not be told the learning rate at every step."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from fewshot_fer.config import TrainConfig

MOMENTUM = 0.9  # of sgd
OF_THE_DEVICE = ("lr", "fused", "capturable")  # options that a state from elsewhere must not change


def build_optimiser(
    parameters: Iterable[Parameter], settings: TrainConfig
) -> torch.optim.Optimizer:
    """Return the optimiser of the settings, one fused kernel a step. On a GPU its learning rate is
    a tensor there, which a captured graph reads anew at each replay."""
    listed = list(parameters)
    device = listed[0].device
    on_gpu = device.type == "cuda"
    rate = torch.tensor(settings.lr, device=device) if on_gpu else settings.lr
    fused, decay = on_gpu or device.type == "cpu", settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            listed, lr=rate, momentum=MOMENTUM, weight_decay=decay, nesterov=True, fused=fused
        )
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(listed, lr=rate, weight_decay=decay, fused=fused, capturable=on_gpu)


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load moments and step counts, those of a run on another device too: how steps are taken here,
    and a learning rate that is a tensor, stay as they are.

    Raises ValueError where they are of other weights.
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
    """Set the learning rate, in place where it is a tensor."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
