"""The page from start to end: a run is loaded, the page served until Ctrl-C, its files removed."""

import os
import signal
import socket
import tempfile
import threading
from pathlib import Path
from types import FrameType

from fewshot_fer.device import prepare_device
from fewshot_fer.errors import ConfigError
from fewshot_fer.faces.detector import load_detector
from fewshot_fer.page.answers import Booth
from fewshot_fer.page.settings import DemoAppVerb
from fewshot_fer.prediction.crops import Cropping
from fewshot_fer.prediction.enrolment import Enrolled, enrol, list_classes, read_support
from fewshot_fer.trained import TrainedRun, load_trained


def serve(settings: DemoAppVerb) -> None:
    """Serve the page until SIGINT or SIGTERM. Raises UserError before anything listens."""
    _check_port(settings)
    booth = _booth(settings)
    with tempfile.TemporaryDirectory(prefix="fewshot_fer_page_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # uploads and answers; read when gradio is imported
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        try:
            from fewshot_fer.page.layout import STYLE, build_page, theme
        except ImportError as error:
            raise ConfigError(
                f"the page takes the extra 'page' ({error}): pip install 'fewshot_fer[page]'"
            ) from error
        page = build_page(booth)
        page.launch(
            server_name=settings.host,
            server_port=settings.port,
            max_file_size=int(settings.max_mb * 1_000_000),
            theme=theme(),
            css=STYLE,
            share=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
        )
        print(f"the page is at http://{settings.host}:{settings.port} (Ctrl-C ends it)", flush=True)
        if not settings.is_local:
            print("warning: whoever can reach this machine can use it", flush=True)
        _wait()
        page.close(verbose=False)
    print("ended")


def _booth(settings: DemoAppVerb) -> Booth:
    device = prepare_device(settings.device, 0)
    run = load_trained(Path(settings.run).expanduser(), settings.checkpoint, device)
    cropping = Cropping(run.image_size, load_detector(device) if settings.align else None)
    return Booth(run, _support(settings, run, cropping), cropping)


def _support(settings: DemoAppVerb, run: TrainedRun, cropping: Cropping) -> Enrolled:
    if settings.support is None:
        return Enrolled(run.support, {})
    path = Path(settings.support).expanduser()
    if path.is_dir():
        return enrol(list_classes(path), run, cropping)
    return Enrolled(read_support(path, run), {})


def _check_port(settings: DemoAppVerb) -> None:
    """Raise ConfigError where the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigError(
                f"host={settings.host} port={settings.port} cannot be listened on: "
                f"{error.strerror or error}. Give another port="
            ) from error


def _wait() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    before = [signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)]
    ended.wait()
    for each, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(each, handler)
