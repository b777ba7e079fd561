"""Feature maps as sets of local descriptors, one a place, for methods on local features."""

from torch import Tensor


def descriptors(embeddings: Tensor, channels: int) -> Tensor:
    """Return descriptors [.., H * W, C] of maps that were flattened as [.., C * H * W]."""
    return embeddings.view(*embeddings.shape[:-1], channels, -1).mT
