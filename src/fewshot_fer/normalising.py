"""What is done to embeddings before they are compared: nothing, unit length, or centred too."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

KINDS = ("none", "l2", "cl2n")


@dataclass(frozen=True)
class Normalisation:
    """A map of embeddings, each on its own.

    kind: `none`; `l2`, x / |x|; `cl2n`, (x - mean) / |x - mean| (SimpleShot, Wang et al.,
    arXiv:1911.04623). mean [D]: for `cl2n`, of training images as they were embedded, never of
    those that are tested.
    """

    kind: str = "none"
    mean: Tensor | None = None

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return embeddings [..., D] normalised; one of no length stays as it is."""
        if self.kind == "none":
            return embeddings
        if self.kind == "cl2n":
            assert self.mean is not None
            embeddings = embeddings - self.mean.to(embeddings)
        return F.normalize(embeddings, dim=-1)

    def state(self) -> dict[str, Tensor]:
        """Return what, beside the encoder's weights, decides what an embedding is."""
        if self.kind == "none":
            return {}
        mean = torch.zeros(0) if self.mean is None else self.mean
        return {f"normalise.{self.kind}": mean}
