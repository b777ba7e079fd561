"""What a newcomer waits for: help, a mistake, one photograph, the page, and answers to a camera."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarking.alternating import Spread, compared, spread
from benchmarking.plan import Plan, say
from benchmarking.result import Figure, Target
from benchmarking.setting import Setting
from benchmarking.stream_system import draw_frames
from benchmarking.worker import Worker
from fewshot_fer.system.errors import RunError

LONGEST = 120  # seconds for a command
WHOLE = "a search of every frame"


def first_minute(plan: Plan) -> Iterator[Figure]:
    """Yield seconds from the typed line to the answer, each command in a new process."""
    photograph = plan.folder / "photograph.jpg"
    draw_frames(plan.demo, 1)[0].save(photograph, quality=92)
    cases = [("help", "train --help", 1.0), ("a mistake in the settings", "train train.lr=-1", 1.0)]
    if find_spec("facenet_pytorch"):
        cases.append(("predict, one photograph", f"predict images={photograph}", 4.0))
    for what, words, most in cases:
        say(f"first minute: {what}")
        yield _figure(plan, what, [_seconds(words, plan.folder) for _ in _turns(plan)], most)
    if find_spec("gradio") and find_spec("facenet_pytorch"):
        say("first minute: the page")
        yield _figure(plan, "the page is ready", [_page(plan.folder) for _ in _turns(plan)], 8.0)


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


def _seconds(words: str, folder: Path) -> float:
    """Return how long a command takes. Raises RunError where it fails by itself."""
    # With HYDRA_FULL_ERROR the mistake would end in a traceback, and with another code.
    environment = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fewshot_fer", *words.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode not in (0, 2):  # 2: the mistake that was to be found
        raise RunError(f"fewshot_fer {words} ended with {done.returncode}: {done.stderr[-500:]}")
    shutil.rmtree(folder / "outputs", ignore_errors=True)
    return seconds


def _page(folder: Path) -> float:
    """Return how long the page takes to be there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.perf_counter()
    words = [sys.executable, "-m", "fewshot_fer", "demo_app", f"port={port}"]
    with subprocess.Popen(
        words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as page:
        assert page.stdout is not None
        ready = any("the page is at" in line for line in page.stdout)
        seconds = time.perf_counter() - started
        page.terminate()
    if not ready:
        raise RunError("fewshot_fer demo_app ended before its page was there")
    return seconds
