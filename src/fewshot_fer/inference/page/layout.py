"""The page itself: a picture on one side, the answers on the other, a class of one's own below.

What the page takes from a visitor: files that were uploaded to it, and nothing else.
"""

import html
from pathlib import Path
from typing import Any

import gradio

from fewshot_fer.inference.enrol import Enrolled
from fewshot_fer.inference.page.booth import NEIGHBOURS, Booth

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


BUTTONS: list[Any] = ["download", "fullscreen"]  # no "share", which would send pictures elsewhere
COLUMNS = ["face", "expression", "probability", "distance"]
STYLE = """
#answer h2 { overflow-wrap: anywhere; }
#why, #why * { min-height: 0; }
#why .grid-wrap { max-height: none; height: auto; }
#why .thumbnail-item { display: flex; flex-direction: column; height: auto; aspect-ratio: auto; }
#why .caption-label { position: static; max-width: 100%; border: 0; white-space: normal; }
#why .grid-container { grid-template-columns: repeat(6, minmax(0, 1fr)) !important; }
@media (max-width: 640px) {
  #why .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)) !important; }
}
footer { display: none !important; }
"""
FONTS = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]  # of the machine, none fetched
Update = Any  # what gradio takes for a component is of no one type


def theme() -> gradio.themes.Base:
    """Return a look that asks no other server for letters."""
    return gradio.themes.Default(font=FONTS, font_mono=FONTS)


def build_page(booth: Booth) -> gradio.Blocks:
    """Return the page; each visitor's added classes are that visitor's alone."""
    # Files are removed when they are a day old, so that a page left open fills no disk.
    page = gradio.Blocks(
        title="fewshot_fer", analytics_enabled=False, delete_cache=(3600, 24 * 3600)
    )
    with page:
        kept = gradio.State(None)  # None: the support that the page started with
        gradio.HTML(f"<h1>Which expression?</h1><p>{html.escape(_about(booth))}</p>")
        with gradio.Row():
            with gradio.Column():
                given = own_files_only(
                    gradio.Image(
                        label="A picture, or the camera",
                        type="filepath",
                        sources=["upload", "webcam", "clipboard"],
                        image_mode=None,
                        elem_id="given",
                    )
                )
            with gradio.Column():
                answer = gradio.HTML(elem_id="answer")
                shares = gradio.Label(
                    label="Probabilities",
                    num_top_classes=12,
                    show_heading=False,
                    visible=False,
                    elem_id="shares",
                )
        results = [answer, shares, *_faces()]
        _own_class(booth, kept, given, results)
        given.change(
            lambda file, mine: _look(booth, file, mine),
            [given, kept],
            results,
            api_visibility="private",
        )
    return page


def _faces() -> list[Update]:
    """Add what is shown of the faces once there are some."""
    with gradio.Column(visible=False) as found:
        with gradio.Row():
            shown = gradio.Image(label="Faces", interactive=False, elem_id="shown", buttons=BUTTONS)
            table = gradio.Dataframe(headers=COLUMNS, interactive=False, label="Every face")
        gradio.HTML("Each face, and the support pictures nearest to it with their distance:")
        why = gradio.Gallery(
            show_label=False,
            columns=1 + NEIGHBOURS,
            object_fit="contain",
            height="auto",
            interactive=False,
            elem_id="why",
            buttons=[],
        )
    return [found, shown, table, why]


def _own_class(booth: Booth, kept: Update, given: Update, results: list[Update]) -> None:
    """Add the part where a visitor brings a class, and answer the picture anew after it."""
    with gradio.Accordion("Add a class of your own", open=True):
        with gradio.Row():
            name = gradio.Textbox(label="Its name", elem_id="name")
            files = own_files_only(
                gradio.File(
                    label="Five pictures of it",
                    file_count="multiple",
                    file_types=["image"],
                    type="filepath",
                    height=150,
                    elem_id="files",
                )
            )
        button = gradio.Button("Add", variant="primary", elem_id="add")
        said = gradio.HTML(elem_id="said")
    button.click(
        lambda called, chosen, mine: _add(booth, called, chosen, mine),
        [name, files, kept],
        [kept, said],
        api_visibility="private",
    ).then(
        lambda file, mine: _look(booth, file, mine),
        [given, kept],
        results,
        api_visibility="private",
    )


def _about(booth: Booth) -> str:
    classes = ", ".join(booth.start.support.class_names)
    remarks = "".join(f" Note: {remark}." for remark in booth.remarks())
    return f"The run knows {classes}. Pictures stay on the machine that shows this page.{remarks}"


def _look(booth: Booth, file: str | None, mine: Enrolled | None) -> list[Update]:
    """Return the answer, the probabilities, and what is shown of the faces."""
    hidden = gradio.update(visible=False)
    if file is None:
        return ["", hidden, hidden, None, None, None]
    seen = booth.look(Path(file), mine or booth.start)
    if seen.picture is None:
        return [_heading(seen.answer), hidden, hidden, None, None, None]
    label = "Probabilities" if len(seen.rows) == 1 else "Probabilities of face 1"
    return [
        _heading(seen.answer),
        gradio.update(value=seen.shares, label=label, visible=True),
        gradio.update(visible=True),
        seen.picture,
        [list(row) for row in seen.rows],
        list(seen.why),
    ]


def _heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def _add(
    booth: Booth, name: str, files: list[str] | None, mine: Enrolled | None
) -> tuple[Enrolled, str]:
    new, said = booth.add_class(name, [Path(file) for file in files or []], mine or booth.start)
    return new, html.escape(said)
