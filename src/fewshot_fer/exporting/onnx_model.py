"""Everything between an image and its probabilities as one module."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from fewshot_fer.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from fewshot_fer.prediction.answering import Answering


class ExportedModel(nn.Module):
    """Images uint8 [N, S, S, 3], RGB, as Pillow and NumPy hold them -> probabilities [N, C]."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()
        self.encoder = answering.run.embedder.encoder
        self.normalisation = answering.run.embedder.normalisation
        self.head = answering.head
        self.temperature = answering.temperature
        # Not `mean`: constants that the exporter folds are named by their operation.
        self.channel_mean = nn.Buffer(torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.channel_std = nn.Buffer(torch.tensor(IMAGENET_STD).view(3, 1, 1))
        self.method = answering.method.logits
        self.prototypes = nn.Buffer(answering.prototypes)

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 probabilities [N, C], calibrated as `predict` gives them."""
        pixels = images.permute(0, 3, 1, 2).float()
        embeddings = self.encoder((pixels / 255 - self.channel_mean) / self.channel_std)
        embeddings = self.normalisation(embeddings)
        return torch.softmax(self._logits(embeddings) / self.temperature, dim=1)

    def _logits(self, embeddings: Tensor) -> Tensor:
        if self.head is not None:
            logits: Tensor = self.head(embeddings)
            return logits
        return self.method(self.prototypes[None, :, None], embeddings[None])[0]


def example_images(side: int, count: int, seed: int) -> Tensor:
    """Return uint8 images [count, side, side, 3]: noise at several scales, as faces have."""
    random = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, 3, side, side)
    for cells in (2, 6, 20):
        noise = torch.rand(count, 3, cells, cells, generator=random) * 255 / 3
        total += nn.functional.interpolate(noise, size=(side, side), mode="bilinear")
    return total.permute(0, 2, 3, 1).to(torch.uint8).contiguous()


def largest_difference(
    model: nn.Module, other: Callable[[Tensor], Tensor], batches: Iterable[Tensor]
) -> float:
    """Return the largest difference between two models' probabilities over batches of images."""
    with torch.inference_mode():
        return max(float((model(images) - other(images)).abs().max()) for images in batches)
