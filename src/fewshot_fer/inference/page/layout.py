"""Lay out the page: a picture on one side, its classes on the other, a class of one's own below."""

import html
from functools import partial
from pathlib import Path
from typing import Any, cast

import gradio

from fewshot_fer.inference.enrol import Enrolment
from fewshot_fer.inference.page.classify import NEIGHBOURS, PictureClassifier

BUTTONS: list[Any] = ["download", "fullscreen"]  # no "share", which would send pictures elsewhere
COLUMNS = ["face", "expression", "probability", "distance"]
STYLE = """
#headline h2 { overflow-wrap: anywhere; }
#neighbours, #neighbours * { min-height: 0; }
#neighbours .grid-wrap { max-height: none; height: auto; }
#neighbours .thumbnail-item {
  display: flex; flex-direction: column; height: auto; aspect-ratio: auto;
}
#neighbours .caption-label {
  position: static; max-width: 100%; border: 0; white-space: normal;
}
#neighbours .grid-container { grid-template-columns: repeat(6, minmax(0, 1fr)) !important; }
@media (max-width: 640px) {
  #neighbours .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)) !important; }
}
footer { display: none !important; }
"""
WIDTH = 320  # pixels; what stands side by side goes below one another where there is no room
FONTS = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]  # of the machine, none fetched
Component = Any  # gradio's types say neither what of one may be replaced nor what it is set to


def theme() -> gradio.themes.Base:
    """Return a theme whose fonts are those of the visitor's machine, so that none is fetched."""
    return gradio.themes.Default(font=FONTS, font_mono=FONTS)


def build_page(classifier: PictureClassifier) -> gradio.Blocks:
    """Return the page; each visitor's added classes are that visitor's alone."""
    # Files are removed when they are a day old, so that a page left open fills no disk.
    page = gradio.Blocks(
        title="fewshot_fer", analytics_enabled=False, delete_cache=(3600, 24 * 3600)
    )
    with page:
        kept = gradio.State(None)  # None: the support that the page started with
        gradio.HTML(f"<h1>Which expression?</h1><p>{html.escape(_about(classifier))}</p>")
        with gradio.Row():
            with gradio.Column():
                picture = _picture_input()
            with gradio.Column():
                results = _headline()
        results += _faces()
        show = {
            "fn": partial(_classify, classifier),
            "inputs": [picture, kept],
            "outputs": results,
        }
        add = partial(_add, classifier)
        name, files, button, message = _own_class()
        added = button.click(add, [name, files, kept], [kept, message], api_visibility="private")
        added.then(**show, api_visibility="private")
        picture.change(**show, api_visibility="private")
    return page


def _picture_input() -> Component:
    return _uploads_only(
        gradio.Image(
            label="A picture, or the camera",
            type="filepath",
            sources=["upload", "webcam", "clipboard"],
            image_mode=None,
            elem_id="picture",
        )
    )


def _headline() -> list[Component]:
    """Add the sentence on a picture and its probabilities."""
    headline = gradio.HTML(elem_id="headline")
    probabilities = gradio.Label(
        label="Probabilities",
        num_top_classes=12,
        show_heading=False,
        visible=False,
        elem_id="probabilities",
    )
    return [headline, probabilities]


def _faces() -> list[Component]:
    """Add what is shown of the faces once there are some."""
    with gradio.Column(visible=False) as found:
        with gradio.Row():
            drawn = gradio.Image(
                label="Faces", interactive=False, min_width=WIDTH, elem_id="drawn", buttons=BUTTONS
            )
            table = gradio.Dataframe(
                headers=COLUMNS, interactive=False, min_width=WIDTH, label="Every face"
            )
        gradio.HTML("Each face, and the support pictures nearest to it with their distance:")
        neighbours = gradio.Gallery(
            show_label=False,
            columns=1 + NEIGHBOURS,
            object_fit="contain",
            height="auto",
            interactive=False,
            elem_id="neighbours",
            buttons=[],
        )
    return [found, drawn, table, neighbours]


def _own_class() -> tuple[Component, Component, Component, Component]:
    """Add where a visitor brings a class: its name, its pictures, a button and a message."""
    with gradio.Accordion("Add a class of your own", open=True):
        with gradio.Row():
            name = gradio.Textbox(label="Its name", min_width=WIDTH, elem_id="name")
            files = _uploads_only(
                gradio.File(
                    label="Five pictures of it",
                    file_count="multiple",
                    file_types=["image"],
                    type="filepath",
                    height=150,
                    min_width=WIDTH,
                    elem_id="files",
                )
            )
        button = gradio.Button("Add", variant="primary", elem_id="add")
        message = gradio.HTML(elem_id="message")
    return name, files, button, message


def _uploads_only(component: Component) -> Component:
    """Return an Image or File component that hands over the paths of uploaded files, unopened.

    By itself gradio would fetch an address that somebody sends in the place of a file, and would
    open a picture before a sentence can say what is wrong with it. Its hook for moving files to its
    cache, and the one that opens a picture, are therefore replaced here, and nowhere else: gradio
    has no setting for either, and writes a file beside the source of every subclass. That a path
    lies among the uploads it has checked before.
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


def _about(classifier: PictureClassifier) -> str:
    classes = ", ".join(classifier.start.support.class_names)
    remarks = "".join(f" Note: {remark}." for remark in classifier.remarks())
    return f"The run knows {classes}. Pictures stay on the machine that shows this page.{remarks}"


def _classify(
    classifier: PictureClassifier, file: str | None, enrolment: Enrolment | None
) -> list[Component]:
    """Return the headline, the probabilities, and what is shown of the faces."""
    hidden = gradio.update(visible=False)
    if file is None:
        return ["", hidden, hidden, None, None, None]
    result = classifier.classify(Path(file), enrolment or classifier.start)
    headline = f"<h2>{html.escape(result.headline)}</h2>"
    if result.picture is None:
        return [headline, hidden, hidden, None, None, None]
    label = "Probabilities" if len(result.rows) == 1 else "Probabilities of face 1"
    return [
        headline,
        gradio.update(value=result.probabilities, label=label, visible=True),
        gradio.update(visible=True),
        result.picture,
        [list(row) for row in result.rows],
        list(result.neighbours),
    ]


def _add(
    classifier: PictureClassifier, name: str, files: list[str] | None, enrolment: Enrolment | None
) -> tuple[Enrolment, str]:
    paths = [Path(file) for file in files or []]
    new, message = classifier.add_class(name, paths, enrolment or classifier.start)
    return new, html.escape(message)
