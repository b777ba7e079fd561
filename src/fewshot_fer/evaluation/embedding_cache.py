"""Embeddings kept on disk, so that a second test of the same weights embeds nothing."""

import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.system.errors import WriteError
from fewshot_fer.system.torch_files import write_torch_file

FORMAT = 4  # counts up whenever the same weights and images would give other embeddings
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class KeptEmbeddings:
    """One file a table, named by the digest of the weights and the fingerprint of the images.

    A file that is missing, damaged, or of another kind counts as none: nothing here can make a
    figure wrong, only slower.
    """

    folder: Path
    weights: str

    def load(self, fingerprint: str, dtype: torch.dtype) -> tuple[NDArray[np.int64], Tensor] | None:
        """Return table rows [R] and their embeddings [R, D], None where there are none."""
        file = self._file(fingerprint)
        if not file.is_file():
            return None
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
            rows, embeddings = content["rows"], content["embeddings"]
            fits = (content["format"], embeddings.dtype, rows.shape) == (
                FORMAT,
                dtype,
                embeddings.shape[:1],
            )
            whole = fits and content["checksum"] == _checksum(rows, embeddings)
        except Exception:  # whatever torch meets in a damaged file: it has no one class for it
            whole = False
        if not whole:
            log.warning("%s is damaged or of another version: made again", file)
            return None
        return rows.numpy(), embeddings

    def save(self, fingerprint: str, rows: NDArray[np.int64], embeddings: Tensor) -> None:
        """Write embeddings [R, D] of table rows [R]; warns where that fails."""
        taken, values = torch.from_numpy(rows), embeddings.cpu()
        content = {"format": FORMAT, "rows": taken, "embeddings": values}
        file = self._file(fingerprint)
        try:
            file.parent.mkdir(exist_ok=True)
            write_torch_file(file, {**content, "checksum": _checksum(taken, values)})
        except (OSError, WriteError) as error:
            log.warning("embeddings are not kept: %s", error)

    def _file(self, fingerprint: str) -> Path:
        return self.folder / f"{self.weights}_{fingerprint[:16]}.pt"


def _checksum(rows: Tensor, embeddings: Tensor) -> int:
    checksum = 0
    for each in (rows, embeddings):
        checksum = zlib.crc32(each.contiguous().numpy().reshape(-1).view(np.uint8).data, checksum)
    return checksum
