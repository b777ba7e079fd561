"""Small copies of pictures within the page, each once, however often it is shown."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image
from tqdm import tqdm

from fewshot_fer.data.decode import decode
from fewshot_fer.system.errors import DataError

SIDE = 64  # pixels
QUALITY = 72
MOST = 1500  # pictures in a page; each takes about 2 kB


class Pictures:
    """Numbers for the pictures that a page shows. Made into copies at the end, by `style`.

    `most` of them at the most: a page of hundreds of runs has to stay one that can be sent.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.left_out = 0
        self.gone: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, path: str) -> int | None:
        """Return the number of a picture, None where there is no room for another one."""
        if path not in self._numbers:
            if len(self._numbers) >= self.most:
                self.left_out += 1
                return None
            self._numbers[path] = len(self._numbers)
        return self._numbers[path]

    def style(self) -> Markup:
        """Return a line of CSS for each picture that is still there; the others are counted."""
        with ThreadPoolExecutor() as pool:
            made = pool.map(thumbnail, self._numbers)
            total = len(self._numbers)
            bar = tqdm(made, desc="pictures", total=total, leave=False, disable=None, delay=2)
            copies = list(bar)
        self.gone = [path for path, copy in zip(self._numbers, copies, strict=True) if not copy]
        lines = [
            f".p{number}{{background-image:url(data:image/jpeg;base64,{copy})}}"
            for number, copy in enumerate(copies)
            if copy
        ]
        return Markup("\n".join(lines))  # digits and base64 only


def thumbnail(path: str) -> str | None:
    """Return a picture's centre square as a small JPEG in base64, None where it is gone."""
    try:
        if not Path(path).is_file():  # nor a pipe or a device, which would never end
            return None
        pixels = decode(path, SIDE)
    except (DataError, OSError, ValueError):
        return None
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(
        stream, "JPEG", quality=QUALITY, optimize=True
    )
    return base64.b64encode(stream.getvalue()).decode()
