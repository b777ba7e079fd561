"""L2 towards the weights that an encoder started from (L2-SP)."""

import torch
from torch import Tensor, nn


class PullToStart:
    """The gradient of strength / 2 * |w - w0|² over an encoder's weights w that learn.

    Li, Grandvalet and Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional
    Networks", ICML 2018: pretrained weights are a better place to decay to than 0. Added as sgd and
    adam add `weight_decay`, so losses in tables are without it.
    """

    def __init__(self, encoder: nn.Module, strength: float) -> None:
        self.encoder, self.strength = encoder, strength
        self.start = {
            name: weights.detach().clone() for name, weights in encoder.named_parameters()
        }

    @torch.no_grad()
    def add_gradient(self) -> None:
        """Add it to the gradients, between a backward and the optimiser's step."""
        for name, weights in self.encoder.named_parameters():
            if weights.grad is not None:
                weights.grad.add_(weights - self.start[name], alpha=self.strength)

    def load(self, start: dict[str, Tensor]) -> None:
        """Take the start that a checkpoint holds. Raises KeyError or RuntimeError if unlike."""
        for name, weights in self.start.items():
            weights.copy_(start[name])
