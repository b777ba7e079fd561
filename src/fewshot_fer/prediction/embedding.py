"""Any number of crops to embeddings, in batches that fit the memory."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.embedding import BATCH_PIXELS
from fewshot_fer.trained import TrainedRun


@torch.inference_mode()
def embed_crops(run: TrainedRun, crops: NDArray[np.uint8]) -> Tensor:
    """Return embeddings [B, D] of crops [B, 3, S, S], on the encoder's device."""
    device = run.embedder.device
    batch = max(1, BATCH_PIXELS[device.type] // run.image_size**2)
    return torch.cat(
        [
            run.embed(torch.from_numpy(crops[start : start + batch]).to(device))
            for start in range(0, len(crops), batch)
        ]
    )
