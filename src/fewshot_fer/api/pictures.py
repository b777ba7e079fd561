"""Pictures in the forms that people have them in Python: files, PIL images, arrays, tensors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from markupsafe import escape
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from fewshot_fer.data.decode import decode, read_picture, square_pixels
from fewshot_fer.inference.crops import Crop, Cropper
from fewshot_fer.inference.inputs import SourceImage
from fewshot_fer.system.errors import DataError

Picture: TypeAlias = str | Path | Image.Image | NDArray[np.uint8] | Tensor
Pictures: TypeAlias = Picture | Sequence[Picture] | pd.DataFrame
COLOURS = 3


def pixels_of(images: Pictures, side: int) -> NDArray[np.uint8]:
    """Return uint8 pixels [N, 3, side, side]: of each picture the largest centred square.

    Raises DataError for none, and for what is no picture.
    """
    pictures = list_pictures(images)
    if not pictures:
        raise DataError("no picture is given")
    return np.stack([_square(picture, side) for picture in pictures])


def crops_of(images: Pictures, cropper: Cropper) -> list[Crop]:
    """Return the crops of pictures in order; one that no file holds is called by its place."""
    sources = []
    for place, picture in enumerate(list_pictures(images)):
        is_file = isinstance(picture, str | Path)
        name = Path(picture).expanduser() if is_file else Path(f"image_{place}")
        pixels = read_picture(name) if is_file else np.asarray(_image(picture))
        sources.append(SourceImage(name, pixels, frame=place))
    return cropper.of_pixels(sources)


def list_pictures(images: Pictures) -> list[Any]:
    """Return pictures one by one, as paths, PIL images or arrays [H, W] or [H, W, 3].

    Raises DataError for arrays of another shape or type.
    """
    if isinstance(images, pd.DataFrame):
        return images["path"].tolist()
    if isinstance(images, str | Path | Image.Image):
        return [images]
    if isinstance(images, np.ndarray | Tensor):
        return _unstacked(images)
    return [picture for each in images for picture in list_pictures(each)]


def named(text: str) -> str:
    """Return text as HTML shows it."""
    return str(escape(text))


def _unstacked(array: NDArray[Any] | Tensor) -> list[NDArray[np.uint8]]:
    """Return the pictures [H, W, 3] of an array of one or several, colours first or last."""
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    if values.dtype != np.uint8:
        raise DataError(f"pixels of type {values.dtype}: give uint8, 0..255")
    if values.ndim == 2:
        return [values]
    if values.ndim == 3 and COLOURS in (values.shape[0], values.shape[-1]):
        values = values[None]
    if values.ndim != 4 or COLOURS not in (values.shape[1], values.shape[-1]):
        raise DataError(
            f"pixels of shape {list(values.shape)}: give [H, W], [H, W, 3], [3, H, W] or several "
            f"of these stacked"
        )
    last = values if values.shape[-1] == COLOURS else values.transpose(0, 2, 3, 1)
    return [np.ascontiguousarray(picture) for picture in last]


def _image(picture: Any) -> Image.Image:  # noqa: ANN401
    if isinstance(picture, Image.Image):
        return ImageOps.exif_transpose(picture).convert("RGB")
    return Image.fromarray(picture).convert("RGB")


def _square(picture: Any, side: int) -> NDArray[np.uint8]:  # noqa: ANN401
    if isinstance(picture, str | Path):
        return decode(Path(picture).expanduser(), side)
    return square_pixels(_image(picture), side)
