"""How many features an encoder gives."""

import torch
from torch import nn


def count_features(encoder: nn.Module, image_size: int) -> int:
    """Return D of the embeddings [B, D] that images of `image_size` pixels a side get."""
    parameter = next(encoder.parameters())
    was_training = encoder.training
    encoder.eval()  # one blank image must not count in the batch norms' statistics
    with torch.no_grad():
        blank = torch.zeros(1, 3, image_size, image_size).to(parameter)
        features = int(encoder(blank).shape[1])
    encoder.train(was_training)
    return features
