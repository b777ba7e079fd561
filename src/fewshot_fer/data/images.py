"""Gather packed images by row number, on the device that the encoder is on."""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.cache import cache_folder
from fewshot_fer.data.pack import PackedFaces, pack


class FaceImages:
    """The images of one table, gathered by row number.

    On a CPU the pixels stay in the memory-mapped file and only gathered rows are read. On a GPU all
    of them are copied there once (84x84 pixels: 21 kB an image).
    """

    def __init__(self, packed: PackedFaces, device: torch.device) -> None:
        self.fingerprint = packed.fingerprint
        self.device = device
        self._packed = packed
        self._resident: Tensor | None = None
        if device.type == "cuda":
            self._resident = torch.from_numpy(packed.take(np.arange(len(packed.images)))).to(device)

    def __len__(self) -> int:
        return len(self._packed.images)

    @property
    def side(self) -> int:
        """Pixels a side."""
        return int(self._packed.images.shape[3])

    def resident(self, rows: Tensor) -> Tensor:
        """Return uint8 images [B, 3, H, W] of table rows [B] that are on the device themselves."""
        if self._resident is None:
            return self.gather(rows.numpy())
        return self._resident.index_select(0, rows)

    def gather(self, rows: NDArray[np.int64]) -> Tensor:
        """Return uint8 images [B, 3, H, W] of table rows [B], on the device."""
        if self._resident is not None:
            return self._resident[torch.from_numpy(rows).to(self.device)]
        return torch.from_numpy(self._packed.take(rows))


def load_images(table: pd.DataFrame, image_size: int, device: torch.device) -> FaceImages:
    """Decode the images of a table into the cache, or open them there."""
    return FaceImages(pack(table, image_size, cache_folder()), device)
