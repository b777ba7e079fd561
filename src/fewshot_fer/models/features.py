"""How many features an encoder gives, and in which form."""

import torch
from torch import nn

from fewshot_fer.models.conv4 import Conv4


def count_features(encoder: nn.Module, image_size: int) -> int:
    """Return D of the embeddings [B, D] that images of `image_size` pixels a side get."""
    if isinstance(encoder, Conv4):  # a first convolution takes torch a tenth of a second
        return encoder.n_features(image_size)
    parameter = next(encoder.parameters())
    was_training = encoder.training
    encoder.eval()  # one blank image must not count in the batch norms' statistics
    with torch.no_grad():
        blank = torch.zeros(1, 3, image_size, image_size).to(parameter)
        features = int(encoder(blank).shape[1])
    encoder.train(was_training)
    return features


def count_channels(encoder: nn.Module, n_features: int) -> int:
    """Return the channels of the maps that embeddings [D] are the flattened form of: as many as
    its last convolution has, where D is a multiple; else D, maps of one pixel."""
    convolutions = [each for each in encoder.modules() if isinstance(each, nn.Conv2d)]
    last = convolutions[-1].out_channels if convolutions else n_features
    side = round((n_features // last) ** 0.5) if n_features % last == 0 else 0
    return last if last * side * side == n_features else n_features
