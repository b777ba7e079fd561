"""Components that hand over what a visitor sent, unopened, and nothing else.

By itself gradio would fetch an address that somebody sends in the place of a file, and would open a
picture before a sentence can say what is wrong with it. Its hook for moving files to its cache, and
the one that opens a picture, are therefore replaced here, and nowhere else: gradio has no setting
for either, and writes a file beside the source of every subclass.
"""

import base64
import binascii
import io
from typing import Any, cast

import gradio
import numpy as np
from PIL import Image

from fewshot_fer.inference.inputs import Pixels

MOST_PIXELS = 4096 * 4096  # of a camera's frame
Component = Any


def uploads_only(component: Component) -> Component:
    """Return a component that hands over the paths of uploaded files.

    That a path lies among the uploads gradio has checked before.
    """
    move = component.async_move_resource_to_block_cache

    async def move_file(path: object) -> str | None:
        if str(path).startswith(("http://", "https://")):
            raise gradio.Error("Send a file, not an address.", print_exception=False)
        moved: str | None = await move(path)
        return moved

    component.async_move_resource_to_block_cache = move_file
    if isinstance(component, gradio.Image):
        component.preprocess = cast(Any, lambda upload: upload and upload.path)  # type: ignore[method-assign]
    return component


def frames_only(camera: Component) -> Component:
    """Return a streaming Image that hands over frames [H, W, 3], None for whatever else is sent."""
    camera = uploads_only(camera)
    camera.preprocess = cast(Any, lambda sent: sent and read_frame(sent.url or ""))
    return camera


def read_frame(address: str) -> Pixels | None:
    """Return the picture [H, W, 3] in a data: address of a JPEG, PNG or WebP, else None."""
    head, _, code = address.partition(",")
    if not head.startswith("data:image/"):
        return None
    try:
        data = io.BytesIO(base64.b64decode(code, validate=True))
        with Image.open(data, formats=("JPEG", "PNG", "WEBP")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            return np.asarray(picture.convert("RGB"))
    except (binascii.Error, OSError, ValueError, SyntaxError):
        return None
