"""Tensors on disk: always whole, the old file or the new one, and read without running any code."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from fewshot_fer.system.errors import RunError
from fewshot_fer.system.files import atomic


def write_torch_file(path: Path, content: dict[str, Any]) -> None:
    """Write under a temporary name, push it to the disk, then rename. Raises WriteError.

    Made in memory first: torch hides the reason where a write of its own fails.
    """
    made = io.BytesIO()
    torch.save(content, made)
    with atomic(path) as partial, partial.open("wb") as file:
        file.write(made.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def read_torch_file(path: Path, what: str, device: torch.device | str = "cpu") -> Any:  # noqa: ANN401
    """Read plain values and tensors. Raises RunError saying that `path` is no `what`."""
    try:
        require_sums(path)
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch has no one class for what it meets in a damaged file
        raise RunError(f"{path} is damaged or no {what}") from error


def require_sums(path: Path) -> None:
    """Raise ValueError if a part of a torch file differs from its checksum, which torch writes and
    does not look at: a byte that a disk has flipped would be a wrong weight.

    Packed parts are refused: torch packs none, and a stranger's could unfold to any size.
    """
    if not zipfile.is_zipfile(path):
        return  # of an older torch, without checksums
    with zipfile.ZipFile(path) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise ValueError("it holds packed parts")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} differs from its checksum")
