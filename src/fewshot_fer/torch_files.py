"""Tensors on disk, written so that a file is always whole: the old one or the new one."""

import io
import os
from pathlib import Path
from typing import Any

import torch

from fewshot_fer.errors import writing


def write_torch_file(path: Path, content: dict[str, Any]) -> None:
    """Write under a temporary name, push it to the disk, then rename. Raises WriteError.

    Made in memory first: torch hides the reason where a write of its own fails.
    """
    made = io.BytesIO()
    torch.save(content, made)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        try:
            with partial.open("wb") as file:
                file.write(made.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
