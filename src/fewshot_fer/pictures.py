"""Whole photographs, as against the crops that `data.decode` makes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.data.decode import read_upright


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """Return a photograph uint8 [H, W, 3] in RGB, upright as its EXIF says.

    Raises DataError naming the file where it is missing, damaged, no picture or too large.
    """
    return np.asarray(read_upright(path))
