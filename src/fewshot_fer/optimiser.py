"""Adam, fused, and such that a GPU need not be told its learning rate at every step."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter


def build_adam(parameters: Iterable[Parameter], lr: float) -> torch.optim.Adam:
    """Return Adam with one fused kernel a step. On a GPU its learning rate is a tensor there, which
    a captured graph reads anew at each replay."""
    listed = list(parameters)
    device = listed[0].device
    if device.type != "cuda":
        return torch.optim.Adam(listed, lr=lr, fused=device.type == "cpu")
    rate = torch.tensor(lr, device=device)
    return torch.optim.Adam(listed, lr=rate, fused=True, capturable=True)


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load moments and step counts; a learning rate that is a tensor stays one, in its place."""
    rates = [group["lr"] for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate, in place where it is a tensor."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
