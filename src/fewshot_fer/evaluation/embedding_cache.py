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
    figure wrong, only slower. part: of a shard, 3of8, which reads what is whole and writes a file
    of its own; whoever reads without one joins the files of all shards.
    """

    folder: Path
    weights: str
    part: str = ""

    def load(self, fingerprint: str, dtype: torch.dtype) -> tuple[NDArray[np.int64], Tensor] | None:
        """Return table rows [R] and their embeddings [R, D], None where there are none."""
        whole, own = self._file(fingerprint), self._file(fingerprint, self.part)
        parts = [own] if self.part else sorted(self.folder.glob(f"{whole.stem}.*of*.pt"))
        found = [each for file in (whole, *parts) if (each := _read(file, dtype)) is not None]
        if len(found) < 2 and not parts:
            return found[0] if found else None
        if not found:
            return None
        # A shard and a test that ran beside it may have made the same row.
        rows, places = np.unique(np.concatenate([rows for rows, _ in found]), return_index=True)
        embeddings = torch.cat([made for _, made in found])[torch.from_numpy(places)]
        if not self.part:
            self.save(fingerprint, rows, embeddings)
            for file in parts:
                file.unlink(missing_ok=True)
        return rows, embeddings

    def save(self, fingerprint: str, rows: NDArray[np.int64], embeddings: Tensor) -> None:
        """Write embeddings [R, D] of table rows [R]; warns where that fails."""
        taken, values = torch.from_numpy(rows), embeddings.cpu()
        content = {"format": FORMAT, "rows": taken, "embeddings": values}
        file = self._file(fingerprint, self.part)
        try:
            file.parent.mkdir(exist_ok=True)
            write_torch_file(file, {**content, "checksum": _checksum(taken, values)})
        except (OSError, WriteError) as error:
            log.warning("embeddings are not kept: %s", error)

    def _file(self, fingerprint: str, part: str = "") -> Path:
        name = f"{self.weights}_{fingerprint[:16]}"
        return self.folder / (f"{name}.{part}.pt" if part else f"{name}.pt")


def _read(file: Path, dtype: torch.dtype) -> tuple[NDArray[np.int64], Tensor] | None:
    """Return the rows and embeddings of a file, None where there is none or it is of no use."""
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


def _checksum(rows: Tensor, embeddings: Tensor) -> int:
    checksum = 0
    for each in (rows, embeddings):
        checksum = zlib.crc32(each.contiguous().numpy().reshape(-1).view(np.uint8).data, checksum)
    return checksum
