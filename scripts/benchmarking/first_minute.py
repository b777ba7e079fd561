"""What a newcomer waits for: help, a mistake, one photograph, the page, and answers to a camera."""

import shutil
import socket
from collections.abc import Iterator
from importlib.util import find_spec

from benchmarking.alternating import Spread, compared, spread
from benchmarking.command import Command
from benchmarking.plan import Plan, say
from benchmarking.result import Figure, Target
from benchmarking.setting import Setting
from benchmarking.stream_system import draw_frames
from benchmarking.worker import Worker

USER_ERROR = 2  # exit code
LOG = "first_minute.log"
WHOLE = "a search of every frame"


def first_minute(plan: Plan) -> Iterator[Figure]:
    """Yield seconds from the typed line to the answer, each command in a new process."""
    photograph = plan.folder / "photograph.jpg"
    draw_frames(plan.demo, 1)[0].save(photograph, quality=92)
    cases = [
        ("help", "train --help", 0, 1.0),
        ("a mistake in the settings", "train train.lr=-1", USER_ERROR, 1.0),
    ]
    if find_spec("facenet_pytorch"):
        cases.append(("predict, one photograph", f"predict images={photograph}", 0, 4.0))
    for what, words, code, most in cases:
        say(f"first minute: {what}")
        yield _figure(plan, what, [_seconds(plan, words, code) for _ in _turns(plan)], most)
    if find_spec("gradio") and find_spec("facenet_pytorch"):
        say("first minute: the page")
        yield _figure(plan, "the page is ready", [_page(plan) for _ in _turns(plan)], 8.0)


def stream(plan: Plan) -> Iterator[Figure]:
    """Yield the answers a second to a camera, and the same where each frame is searched."""
    if not find_spec("facenet_pytorch"):
        say("facenet-pytorch is not installed: no stream (pip install fewshot_fer[face])")
        return
    say("frames of a camera")
    count = 10 if plan.sizes.judged else 2
    setting = Setting(plan.demo, plan.folder, plan.threads)
    with Worker("benchmarking.stream_system:Stream", setting) as worker:
        worker.ask("follow", 2)
        turns = [(worker.ask("follow", count), worker.ask("search", count)) for _ in _turns(plan)]
    followed, searched = [list(each) for each in zip(*turns, strict=True)]
    rates = spread([1 / seconds for seconds in followed])
    yield _stream("answers to a camera of 640x480", "", "/s", rates, plan.target(8, True))
    yield _stream("answers to a camera", WHOLE, "x", compared(searched, followed), None)


def _turns(plan: Plan) -> range:
    return range(plan.sizes.evaluation_turns)


def _stream(what: str, against: str, unit: str, value: Spread, target: Target | None) -> Figure:
    return Figure("stream", what, against, unit, value, backbone="face_expression", target=target)


def _figure(plan: Plan, what: str, seconds: list[float], most: float) -> Figure:
    return Figure("first_minute", what, "", "s", spread(seconds), target=plan.target(most, False))


def _seconds(plan: Plan, words: str, code: int) -> float:
    """Return how long a command takes that ends with `code`."""
    command = Command(["-m", "fewshot_fer", *words.split()], plan.folder / LOG, plan.folder, code)
    seconds = command.run(plan.sizes.fresh).seconds
    shutil.rmtree(plan.folder / "outputs", ignore_errors=True)
    return seconds


def _page(plan: Plan) -> float:
    """Return how long the page takes to be there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-m", "fewshot_fer", "demo_app", f"port={port}"]
    page = Command(words, plan.folder / LOG, plan.folder)
    return page.seconds_until("the page is at", plan.sizes.fresh)
