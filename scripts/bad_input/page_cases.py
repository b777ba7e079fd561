"""Faults of what visitors send to the page of `demo_app`."""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from bad_input.case import LINE, WORKS, Case, as_it_is
from bad_input.commands import RAFDB
from bad_input.good_files import picture, write_rafdb
from bad_input.typing_commands import inside, typed

KIND = "the page of demo_app"
WAIT = 60  # seconds, for a reply


@dataclass(frozen=True)
class Page:
    """Where it listens, the folder of its temporary files, and its process."""

    port: int
    files: Path
    process: "subprocess.Popen[str]"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def upload(self, file: Path) -> str:
        """Send a file as a browser does; return the path that the page gives it."""
        border = uuid.uuid4().hex
        head = f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"'
        body = f"{head}\r\n\r\n".encode() + file.read_bytes() + f"\r\n--{border}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        (path,) = _reply(urllib.request.Request(f"{self.address}/gradio_api/upload", body, kind))
        return str(path)

    def classify(self, path: str) -> str:
        """Return what the page sends back for a picture at a path on its machine."""
        return self.send("picture", "change", {"path": path, "meta": FILE})

    def send(self, element: str, event: str, value: object) -> str:
        """Return what the page sends back for an event of one of its elements."""
        config = _reply(f"{self.address}/config")
        names = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
        number = next(
            function["id"]
            for function in config["dependencies"]
            if (element, event) in [(names.get(of), kind) for of, kind in function["targets"]]
        )
        visitor, queue = uuid.uuid4().hex, f"{self.address}/gradio_api/queue"
        body = {"data": [value, None], "fn_index": number, "session_hash": visitor}
        as_json = {"Content-Type": "application/json"}
        _reply(urllib.request.Request(f"{queue}/join", json.dumps(body).encode(), as_json))
        with urllib.request.urlopen(f"{queue}/data?session_hash={visitor}", timeout=WAIT) as lines:
            done = next(line for line in lines if b"process_completed" in line)
        return str(json.loads(done.removeprefix(b"data: "))["output"])


FILE = {"_type": "gradio.FileData"}
Send = Callable[[Page, Path], str]
"""Sends something that is made in a folder; returns what came back."""


def pages() -> Iterator[tuple[Case, str, bool]]:
    """Yield each case with what the page replied, and whether that is as it must be.

    Without gradio there is no page, and no case.
    """
    if importlib.util.find_spec("gradio") is None:
        print("gradio is not installed: the page is left out", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as made, inside(Path(made)):
        write_rafdb(Path(made))
        trained = typed(*RAFDB, "hydra.run.dir=run")
        assert trained.code == 0, trained.err
        with served([f"run={Path(made) / 'run'}"], Path(made) / "temporary") as page:
            for case, (_, send, _, _) in zip(cases(), CASES, strict=True):
                reply = send(page, Path(made))
                yield case, reply, case.says in reply


def cases() -> list[Case]:
    """Return what is sent, and what must come back; nothing is served."""
    return [Case(KIND, fault, as_it_is, outcome, says) for fault, _, outcome, says in CASES]


@contextlib.contextmanager
def served(settings: list[str], files: Path, aligned: bool = False) -> Iterator[Page]:
    """Serve the page, with a new folder for temporary files; aligned: faces are to be found."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    files.mkdir()
    words = [*settings, f"port={port}", "max_mb=1", f"align={aligned}", "device=cpu"]
    # A proxy that is not there, so that whatever the page fetched elsewhere would fail.
    variables = {"TMPDIR": str(files), "HTTP_PROXY": "http://127.0.0.1:9"}
    process = subprocess.Popen(
        [sys.executable, "-m", "fewshot_fer.demo_app", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # gradio shows there what it refuses
        env={**os.environ, **variables},
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert f"http://127.0.0.1:{port}" in line, line
            yield Page(port, files, process)
        finally:
            process.terminate()
            process.communicate()


def _reply(request: Any) -> Any:  # noqa: ANN401
    with urllib.request.urlopen(request, timeout=WAIT) as reply:
        return json.load(reply)


def _sound(page: Page, folder: Path) -> str:
    picture(1).save(folder / "face.png")
    sent = page.upload(folder / "face.png")
    if not Path(sent).is_relative_to(page.files):
        return f"it lies in {sent}"
    return page.classify(sent)


def _text(page: Page, folder: Path) -> str:
    (folder / "text.jpg").write_text("no picture")
    return page.classify(page.upload(folder / "text.jpg"))


def _bomb(page: Page, folder: Path) -> str:
    Image.new("1", (20_000, 20_000)).save(folder / "bomb.png")
    return page.classify(page.upload(folder / "bomb.png"))


def _large(page: Page, folder: Path) -> str:
    (folder / "large.jpg").write_bytes(bytes(1_100_000))
    try:
        return f"taken: {page.upload(folder / 'large.jpg')}"
    except urllib.error.HTTPError as error:
        return f"{error.code}: {error.read().decode(errors='replace')}"


def _elsewhere(page: Page, folder: Path) -> str:
    picture(2).save(folder / "private.png")
    return page.classify(str(folder / "private.png"))


def _of_the_camera(page: Page, folder: Path) -> str:
    picture(2).save(folder / "private.png")
    return page.send("camera", "stream", {"path": str(folder / "private.png"), "meta": FILE})


def _no_frame(page: Page, _: Path) -> str:
    return page.send("camera", "stream", {"url": "data:image/jpeg;base64,bm8gcGljdHVyZQ=="})


def _no_support(page: Page, folder: Path) -> str:
    (folder / "classes.pt").write_bytes(b"no support")
    return page.send("load", "upload", {"path": page.upload(folder / "classes.pt"), "meta": FILE})


def _from_outside(page: Page, _: Path) -> str:
    try:  # another machine would come to an address of this one's network, which may have none
        socket.create_connection(("127.0.0.2", page.port), timeout=5).close()
    except OSError as error:
        return str(error)
    return "it was let in"


CASES: tuple[tuple[str, Send, str, str], ...] = (
    ("a picture, which lies in its temporary folder alone", _sound, WORKS, "class=bars"),
    ("text named .jpg", _text, LINE, "cannot be read as a picture"),
    ("a decompression bomb", _bomb, LINE, "too many pixels"),
    ("a file larger than max_mb", _large, LINE, "exceed"),
    (
        "an address in the place of a file",
        lambda page, _: page.classify("http://127.0.0.1:1/face.png"),
        LINE,
        "Send a file, not an address.",
    ),
    ("hostile: the path of a file that was not sent", _elsewhere, LINE, "'error'"),
    (
        "hostile: the path of a file in the place of a camera's frame",
        _of_the_camera,
        LINE,
        "'error'",
    ),
    ("a camera's frame that is no picture", _no_frame, LINE, "'__type__': 'update'"),
    ("a file of classes that is none", _no_support, LINE, "Nothing loaded"),
    ("a connection to another address than 127.0.0.1", _from_outside, LINE, "refused"),
)
