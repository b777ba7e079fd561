"""What the page takes from a visitor: files that were uploaded to it, and nothing else."""

from typing import Any

import gradio

Component = Any  # an Image or a File; gradio's types do not say what of them may be replaced
Given = Any  # what a browser sent


def own_files_only(component: Component) -> Component:
    """Return an Image or File component that hands over the paths of uploaded files, unopened.

    By itself gradio would fetch an address that somebody sends in the place of a file, and would
    open a picture before anybody can say in a sentence what is wrong with it. That a path lies
    among the uploads is checked by gradio before. Its components are not subclassed since gradio
    writes a file beside the source of every subclass.
    """
    move = component.async_move_resource_to_block_cache

    async def move_file(path: Given) -> str | None:
        if str(path).startswith(("http://", "https://")):
            raise gradio.Error("Send a file, not an address.", print_exception=False)
        moved: str | None = await move(path)
        return moved

    component.async_move_resource_to_block_cache = move_file
    if isinstance(component, gradio.Image):
        component.preprocess = _path  # type: ignore[method-assign]
    return component


def _path(payload: Given) -> str | None:
    """Return the path of a picture that was uploaded, None where there is none."""
    return None if payload is None else payload.path
