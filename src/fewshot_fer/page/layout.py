"""The page itself: a picture on one side, the answers on the other, a class of one's own below."""

import html
from pathlib import Path
from typing import Any

import gradio

from fewshot_fer.page.answers import Booth
from fewshot_fer.prediction.enrolment import Enrolled

BUTTONS: list[Any] = ["download", "fullscreen"]  # no "share", which would send pictures elsewhere
COLUMNS = ["face", "expression", "probability", "distance"]
STYLE = """
#answer { font-size: 1.6rem; font-weight: 600; min-height: 2.2rem; }
footer { display: none !important; }
"""
TEXT = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]  # of the machine, none fetched
CODE = ["ui-monospace", "monospace"]

Update = Any  # what gradio takes for a component is of no one type


def theme() -> gradio.themes.Base:
    """Return a look that asks no other server for letters."""
    return gradio.themes.Default(font=TEXT, font_mono=CODE)


def build_page(booth: Booth) -> gradio.Blocks:
    """Return the page; each visitor's added classes are that visitor's alone."""
    page = gradio.Blocks(title="fewshot_fer", analytics_enabled=False)
    with page:
        kept = gradio.State(None)  # None: the support that the page started with
        gradio.Markdown(f"# Which expression?\n{_about(booth)}")
        with gradio.Row():
            with gradio.Column():
                given = gradio.Image(
                    label="A picture, or the camera",
                    type="filepath",
                    sources=["upload", "webcam", "clipboard"],
                    image_mode=None,
                    elem_id="given",
                )
            with gradio.Column():
                answer = gradio.Markdown(elem_id="answer")
                shares = gradio.Label(label="Probabilities", num_top_classes=7, elem_id="shares")
        shown = gradio.Image(label="Faces", interactive=False, elem_id="shown", buttons=BUTTONS)
        table = gradio.Dataframe(headers=COLUMNS, interactive=False, label="Every face")
        why = gradio.Image(
            label="Nearest support pictures", interactive=False, elem_id="why", buttons=BUTTONS
        )
        results = [answer, shares, shown, table, why]
        _own_class(booth, kept, given, results)
        given.change(lambda file, mine: _look(booth, file, mine), [given, kept], results)
    return page


def _own_class(booth: Booth, kept: Update, given: Update, results: list[Update]) -> None:
    """Add the part where a visitor brings a class, and answer the picture anew after it."""
    with gradio.Accordion("Add a class of your own", open=True):
        with gradio.Row():
            name = gradio.Textbox(label="Its name", elem_id="name")
            files = gradio.File(
                label="Five pictures of it",
                file_count="multiple",
                file_types=["image"],
                type="filepath",
                elem_id="files",
            )
        button = gradio.Button("Add", variant="primary", elem_id="add")
        said = gradio.Markdown(elem_id="said")
    button.click(
        lambda called, chosen, mine: _add(booth, called, chosen, mine),
        [name, files, kept],
        [kept, said],
    ).then(lambda file, mine: _look(booth, file, mine), [given, kept], results)


def _about(booth: Booth) -> str:
    classes = ", ".join(booth.start.support.class_names)
    return f"The run knows {classes}. Pictures stay on the machine that shows this page."


def _look(booth: Booth, file: str | None, mine: Enrolled | None) -> list[Update]:
    if file is None:
        return ["", None, None, None, None]
    seen = booth.look(Path(file), mine or booth.start)
    return [
        html.escape(seen.answer),
        seen.shares,
        seen.picture,
        [list(row) for row in seen.rows],
        seen.why,
    ]


def _add(
    booth: Booth, name: str, files: list[str] | None, mine: Enrolled | None
) -> tuple[Enrolled, str]:
    new, said = booth.add_class(name, [Path(file) for file in files or []], mine or booth.start)
    return new, html.escape(said)
