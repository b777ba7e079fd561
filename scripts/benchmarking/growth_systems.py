"""What is measured over image counts: embedding a pack of noise, and packing."""

from pathlib import Path

import numpy as np

from benchmarking.faces import open_noise_pack
from benchmarking.growing import processor_seconds
from benchmarking.setting import SEED, Setting
from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.packed_images import FaceImages, pack
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.models import build_encoder
from fewshot_fer.system.device import prepare_device


class NoiseEmbedding:
    """Embeds a pack of noise, opened as a memory map as every pack is."""

    def __init__(self, setting: Setting) -> None:
        device = prepare_device(setting.device, SEED)
        backbone = BackboneConfig(name=setting.backbone, filters=setting.filters, weights="none")
        self.encoder = build_encoder(backbone).to(device)
        self.images = FaceImages(open_noise_pack(setting.faces), device)

    def embed(self, n_images: int) -> float:
        """Return seconds of the processor for the first `n_images` of the pack."""
        rows = np.arange(n_images)
        return processor_seconds(lambda: Embedder(self.encoder).embed(self.images, rows))


class Packing:
    """Decodes picture files into a pack, and opens it again."""

    def __init__(self, setting: Setting) -> None:
        self.table = read_folder(setting.faces)
        self.image_size, self.cache = setting.image_size, setting.cache
        for path in self.table["path"]:  # decoding is measured, not the disk
            Path(path).read_bytes()

    def pack(self, number: int) -> float:
        """Return seconds of the processor to pack all files into a folder new for each `number`."""
        return self._seconds(number)

    def open(self, number: int) -> float:
        """Return seconds to find that pack again."""
        return self._seconds(number)

    def _seconds(self, number: int) -> float:
        cache = self.cache / f"packing-{number}"
        return processor_seconds(lambda: pack(self.table, self.image_size, cache))
