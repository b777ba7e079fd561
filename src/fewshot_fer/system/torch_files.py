"""Files of tensors: written whole or not at all, and read without running any code in them."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from fewshot_fer.system.errors import RunError
from fewshot_fer.system.files import atomic


def write_torch_file(path: Path, content: dict[str, Any]) -> None:
    """Write plain values and tensors, pushed to the disk before they replace `path`.

    Serialised in memory first: torch hides the reason where a write of its own fails. Raises
    WriteError.
    """
    serialised = io.BytesIO()
    torch.save(content, serialised)
    with atomic(path) as partial, partial.open("wb") as file:
        file.write(serialised.getbuffer())
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
    """Raise ValueError if an entry of a torch file differs from its checksum.

    torch writes the checksums and does not look at them: a byte that a disk has flipped would be a
    wrong weight. Compressed entries are refused: torch writes none, and one in a stranger's file
    could unfold to any size.
    """
    if not zipfile.is_zipfile(path):
        return  # of an older torch, without checksums
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("it holds compressed entries")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} differs from its checksum")
