"""Lay out the page: camera, picture or video beside what is found, and what is taught below."""

import html
from pathlib import Path
from typing import Any, NamedTuple, cast

import gradio

from fewshot_fer.inference.page.classify import PictureClassifier
from fewshot_fer.inference.page.uploads import frames_only, uploads_only

BUTTONS: list[Any] = ["download", "fullscreen"]  # no "share", which would send pictures elsewhere
COLUMNS = ["face", "expression", "probability", "distance"]
WIDTH = 320  # pixels; what stands side by side goes below one another where there is no room
FONTS = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]  # of the machine, none fetched
HERE = Path(__file__).parent
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
SCRIPT = (HERE / "page.js").read_text(encoding="utf-8")
Component = Any  # gradio's types say neither what of one may be replaced nor what it is set to


def theme() -> gradio.themes.Base:
    """Return a theme whose fonts are those of the visitor's machine, so that none is fetched."""
    plain = gradio.themes.Default(font=FONTS, font_mono=FONTS)
    return plain.set(body_text_color_subdued="*neutral_600", block_info_text_color="*neutral_600")


class Inputs(NamedTuple):
    """Where faces come from."""

    camera: Component
    picture: Component
    video: Component


class Results(NamedTuple):
    """What is found: a sentence, bars, and faces with their neighbours."""

    headline: Component
    bars: Component
    faces: Component


class Details(NamedTuple):
    """What a file shows besides: a row of drawing and table for a picture, a curve for a video."""

    found: Component
    drawn: Component
    table: Component
    curve: Component


class Teaching(NamedTuple):
    """Where a visitor teaches: pictures of a class from the camera and from files."""

    name: Component
    take: Component
    files: Component
    add: Component
    message: Component


class Choices(NamedTuple):
    """What may decide, the neutral face, and the support as a file."""

    only_mine: Component
    may_reject: Component
    how: Component
    neutral: Component
    forget: Component
    save: Component
    saved: Component
    load: Component


def heading(classifier: PictureClassifier) -> None:
    """Add what the page is, what it knows, and what a visitor would not expect."""
    known = (*classifier.start.support.class_names, *classifier.first.class_names)
    classes = ", ".join(dict.fromkeys(known))
    remarks = "".join(f" Note: {remark}." for remark in classifier.remarks())
    about = f"It knows {classes}. Pictures stay on the machine that shows this page.{remarks}"
    gradio.HTML(f"<h1>Which expression?</h1><p class=small>{html.escape(about)}</p>")


def sources() -> Inputs:
    """Add the camera, and where pictures and videos are dropped."""
    with gradio.Tab("Camera", elem_id="camera_tab"):
        camera = frames_only(
            gradio.Image(
                label="Camera", sources=["webcam"], streaming=True, elem_id="camera", buttons=[]
            )
        )
    with gradio.Tab("Picture", elem_id="picture_tab"):
        picture = uploads_only(
            gradio.Image(
                label="A picture",
                type="filepath",
                sources=["upload", "clipboard"],
                image_mode=None,
                elem_id="picture",
            )
        )
    with gradio.Tab("Video", elem_id="video_tab"):
        video = _files("A video", ["video"], "video", "single")
    return Inputs(camera, picture, video)


def details() -> Details:
    """Add what is shown of a file once there is something."""
    with gradio.Column(visible=False) as found, gradio.Row():
        drawn = gradio.Image(
            label="Faces", interactive=False, min_width=WIDTH, elem_id="drawn", buttons=BUTTONS
        )
        table = gradio.Dataframe(
            headers=COLUMNS, interactive=False, min_width=WIDTH, label="Every face"
        )
    curve = gradio.Image(
        label="Probabilities over time",
        show_label=False,  # it would lie on the figure
        interactive=False,
        visible=False,
        elem_id="curve",
        buttons=[],
    )
    return Details(found, drawn, table, curve)


def teaching() -> Teaching:
    """Add where a class is named, and its pictures are taken or dropped."""
    gradio.HTML(
        "<p class=small><b>Teach it:</b> name a class and show it to the camera. Hold the button, "
        "or press it five times.</p>"
    )
    name = gradio.Textbox(label="Name of the class", max_lines=1, elem_id="name")
    take = gradio.Button("Take a picture", variant="primary", elem_id="take")
    message = gradio.HTML(elem_id="message")
    with gradio.Accordion("From files", open=False, elem_id="from_files"):
        files = _files("Pictures of it", ["image"], "files", "multiple")
        add = gradio.Button("Add", elem_id="add")
    return Teaching(name, take, files, add, message)


def class_list() -> Component:
    """Add the list of taught classes."""
    script = (HERE / "classes.js").read_text(encoding="utf-8")
    return gradio.HTML(elem_id="classes", js_on_load=script)


def choices() -> Choices:
    """Add what may decide, the neutral face, and how classes are kept."""
    with gradio.Row():
        only_mine = gradio.Checkbox(label="Only my classes", min_width=160, elem_id="only_mine")
        may_reject = gradio.Checkbox(label="None of these", min_width=160, elem_id="may_reject")
    how = gradio.HTML(elem_id="how")
    with gradio.Row():
        neutral = gradio.Button("My neutral face", elem_id="neutral")
        forget = gradio.Button("Forget it", elem_id="forget", visible=False)
    with gradio.Row():
        save = gradio.Button("Save my classes", elem_id="save", min_width=140)
        load = uploads_only(
            gradio.UploadButton("Load classes", file_types=[".pt"], elem_id="load", min_width=140)
        )
    saved = gradio.File(
        label="For the page, and for predict support=",
        interactive=False,
        visible=False,
        elem_id="saved",
    )
    return Choices(only_mine, may_reject, how, neutral, forget, save, saved, load)


def _files(label: str, kinds: list[str], name: str, count: str) -> Component:
    return uploads_only(
        gradio.File(
            label=label,
            file_count=cast(Any, count),
            file_types=kinds,
            type="filepath",
            height=150,
            elem_id=name,
        )
    )
