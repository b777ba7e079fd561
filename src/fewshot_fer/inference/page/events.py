"""Connect the page's components with what they do."""

import html
import tempfile
from pathlib import Path
from typing import Any

import gradio
from gradio.utils import get_upload_folder

from fewshot_fer.inference.explain import support_picture
from fewshot_fer.inference.inputs import Pixels
from fewshot_fer.inference.page import layout, markup, teach
from fewshot_fer.inference.page.classify import PictureClassifier, PictureResult
from fewshot_fer.inference.page.decide import Decider
from fewshot_fer.inference.page.visitor import Visitor

EVERY = 0.1  # seconds between frames of the camera
STREAMS = 8  # cameras at once
DAY = 24 * 3600
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
Update = Any


def build_page(classifier: PictureClassifier) -> gradio.Blocks:
    """Return the page; what a visitor teaches is that visitor's alone."""
    # Files are removed when they are a day old, so that a page left open fills no disk.
    page = gradio.Blocks(title="fewshot_fer", analytics_enabled=False, delete_cache=(3600, DAY))
    with page:
        visitor = gradio.State(classifier.first)  # copied for each visitor
        layout.heading(classifier)
        with gradio.Row():
            with gradio.Column(min_width=layout.WIDTH):
                inputs = layout.sources()
                headline = gradio.HTML(elem_id="headline")
                teaching = layout.teaching()
            with gradio.Column(min_width=layout.WIDTH):
                empty = dict.fromkeys(Decider(classifier.known, classifier.first).class_names, 0.0)
                bars = gradio.HTML(markup.bars_html(empty, {}), elem_id="probabilities")
                results = layout.Results(headline, bars, gradio.HTML(elem_id="neighbours"))
                details = layout.details()
                choices = layout.choices()
                classes = layout.class_list()
        events = Events(classifier, visitor, [*results, *details])
        events.connect_inputs(inputs, list(results))
        events.connect_teaching(page, inputs.picture, classes, teaching, choices)
    return page


class Events:
    """What happens on the page. Each handler takes the visitor's state, which it changes."""

    def __init__(
        self, classifier: PictureClassifier, visitor: gradio.State, shown: list[Any]
    ) -> None:
        self.classifier = classifier
        self.visitor = visitor
        self.shown = shown  # components of a file's results

    def connect_inputs(self, inputs: layout.Inputs, results: list[Any]) -> None:
        """Connect camera, picture and video with what is found in them."""
        inputs.camera.stream(
            self.frame,
            [inputs.camera, self.visitor],
            results,
            stream_every=EVERY,
            concurrency_limit=STREAMS,
            **QUIET,
        )
        sent = [inputs.picture, self.visitor]
        inputs.picture.change(self.picture, sent, self.shown, api_visibility="private")
        sent = [inputs.video, self.visitor]
        inputs.video.change(self.video, sent, self.shown, api_visibility="private")

    def connect_teaching(
        self,
        page: gradio.Blocks,
        picture: layout.Component,
        classes: layout.Component,
        teaching: layout.Teaching,
        choices: layout.Choices,
    ) -> None:
        """Connect what teaches; the picture that is shown is classified again after it."""
        listed = [
            teaching.message,
            classes,
            choices.only_mine,
            choices.may_reject,
            choices.how,
            choices.forget,
            choices.save,
            choices.saved,
        ]
        state = self.visitor
        page.load(self.list_all, [state], listed, **QUIET)
        taught = [
            teaching.take.click(
                self.take, [teaching.name, state], listed, trigger_mode="multiple", **QUIET
            ),
            teaching.add.click(
                self.add, [teaching.name, teaching.files, state], listed, api_visibility="private"
            ),
            classes.click(self.edit, [state], [teaching.name, *listed], **QUIET),
            choices.neutral.click(self.take_neutral, [state], listed, **QUIET),
            choices.forget.click(self.forget_neutral, [state], listed, **QUIET),
            choices.load.upload(self.load, [choices.load, state], listed, **QUIET),
        ]
        chosen = [choices.only_mine, choices.may_reject, state]
        taught += [each.input(self.choose, chosen, listed, **QUIET) for each in choices[:2]]
        for event in taught:
            event.then(self.again, [picture, state], self.shown, **QUIET)
        choices.save.click(self.save, [state], [choices.saved], **QUIET)

    def frame(self, pixels: Pixels | None, visitor: Visitor) -> list[Update]:
        """Return headline, bars and faces for a frame of the camera."""
        if pixels is None:
            return [gradio.skip()] * 3
        before = visitor.live.shares if visitor.live else {}
        return self._results(self.classifier.classify_frame(pixels, visitor), visitor, before)

    def picture(self, file: str | None, visitor: Visitor) -> list[Update]:
        """Return what is shown of a picture."""
        hidden = gradio.update(visible=False)
        if file is None:
            return ["", "", "", hidden, None, None, hidden]
        result = self.classifier.classify(Path(file), visitor)
        shown = self._results(result, visitor)
        if result.picture is None:
            return [*shown, hidden, None, None, hidden]
        rows = [list(row) for row in result.rows]
        return [*shown, gradio.update(visible=True), result.picture, rows, hidden]

    def again(self, file: str | None, visitor: Visitor) -> list[Update]:
        """Return what is shown of a picture after a change; nothing new without one."""
        if file is None:
            return [gradio.skip()] * len(self.shown)
        return self.picture(file, visitor)

    def video(self, file: str | None, visitor: Visitor) -> list[Update]:
        """Return what is shown of a video."""
        hidden = gradio.update(visible=False)
        if file is None:
            return ["", "", "", hidden, None, None, hidden]
        curve = Path(tempfile.mkdtemp(dir=Path(file).parent)) / "probabilities.png"
        result = self.classifier.classify_video(Path(file), visitor, curve)
        drawn = gradio.update(value=str(curve), visible=True) if curve.is_file() else hidden
        return [*self._results(result, visitor), hidden, None, None, drawn]

    def take(self, name: str, visitor: Visitor) -> list[Update]:
        """Teach the face in view."""
        return self.list_all(visitor, teach.take_picture(self.classifier, name, visitor))

    def add(self, name: str, files: list[str] | None, visitor: Visitor) -> list[Update]:
        """Teach pictures from files."""
        paths = [Path(file) for file in files or []]
        return self.list_all(visitor, teach.add_pictures(self.classifier, name, paths, visitor))

    def edit(self, visitor: Visitor, event: gradio.EventData) -> list[Update]:
        """Do what a button or field of the list of classes is for."""
        act, name, value = (str(getattr(event, each, "")) for each in ("act", "name", "value"))
        message = ""
        match act:
            case "remove":
                visitor.remove(name)
            case "delete":
                visitor.delete(name)
            case "rename":
                message = teach.rename(self.classifier, name, value, visitor)
        chosen = name if act == "more" else gradio.skip()
        return [chosen, *self.list_all(visitor, message)]

    def choose(self, only_mine: bool, may_reject: bool, visitor: Visitor) -> list[Update]:
        """Set what may decide."""
        visitor.choose(only_mine, may_reject)
        return self.list_all(visitor)

    def take_neutral(self, visitor: Visitor) -> list[Update]:
        """Make the face in view the neutral one."""
        return self.list_all(visitor, teach.take_neutral(self.classifier, visitor))

    def forget_neutral(self, visitor: Visitor) -> list[Update]:
        """Decide without a neutral face again."""
        visitor.set_neutral(None)
        return self.list_all(visitor, "The neutral face is forgotten.")

    def load(self, file: str, visitor: Visitor) -> list[Update]:
        """Add the classes of a file."""
        return self.list_all(visitor, teach.load(self.classifier, Path(file), visitor))

    def save(self, visitor: Visitor) -> Update:
        """Write the classes to a file that can be downloaded."""
        if not visitor.pictures:
            return gradio.update(visible=False)
        file = Path(tempfile.mkdtemp(dir=get_upload_folder())) / "my_classes.pt"
        visitor.save(file, self.classifier.known.taught_run.weights)
        return gradio.update(value=str(file), visible=True)

    def list_all(self, visitor: Visitor, message: str = "") -> list[Update]:
        """Return the message, the list of classes, and what can be chosen now."""
        decider = self.classifier.decider(visitor)
        several = len(visitor.class_names) > 1
        can_reject = decider.can_reject
        return [
            html.escape(message),
            markup.classes_html(visitor, self.classifier.run.is_starter, decider.odd()),
            gradio.update(
                value=decider.only_mine,
                interactive=several,
                info="" if several else "It takes two classes of yours.",
            ),
            gradio.update(value=decider.rejects, interactive=can_reject, info=decider.rejection),
            f"<p class=small>{html.escape(decider.how())}</p>",
            gradio.update(visible=visitor.neutral is not None),
            gradio.update(interactive=bool(visitor.pictures)),
            gradio.update(visible=False),
        ]

    def _results(
        self, result: PictureResult, visitor: Visitor, before: dict[str, float] | None = None
    ) -> list[Update]:
        """Return headline, bars and faces."""
        crops, own = visitor.crops(), self.classifier.start.crops
        whose = "<p class=small>Of face 1, the largest:</p>" if len(result.rows) > 1 else ""
        return [
            markup.headline_html(result.headline),
            whose + markup.bars_html(result.probabilities or {}, before or {}),
            markup.faces_html(
                result.faces,
                lambda path: crops[path] if path in crops else support_picture(path, own),
            ),
        ]
