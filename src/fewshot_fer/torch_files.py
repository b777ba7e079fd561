"""Tensors on disk, written so that a file is always whole: the old one or the new one."""

import os
from pathlib import Path
from typing import Any

import torch


def write_torch_file(path: Path, content: dict[str, Any]) -> None:
    """Write under a temporary name, push it to the disk, then rename."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
