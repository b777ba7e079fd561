"""Serve the page: load a run, listen until Ctrl-C, remove the files of visitors."""

import contextlib
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

from fewshot_fer.config.hydra import threads_per_job
from fewshot_fer.config.verb_settings import DemoAppVerb
from fewshot_fer.data.faces.detector import load_detector
from fewshot_fer.inference.crops import Cropper
from fewshot_fer.inference.enrol import Enrolment, resolve_support
from fewshot_fer.inference.page.classify import PictureClassifier
from fewshot_fer.runs.starter import choose_run, starter
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import ConfigError, needing_extra
from fewshot_fer.system.files import scratch_folder
from fewshot_fer.system.screen import shown

if TYPE_CHECKING:
    import gradio


def serve(settings: DemoAppVerb) -> None:
    """Serve the page until SIGINT or SIGTERM. Raises UserError before anything listens."""
    _check_port(settings)
    with shown("loading the network"):
        classifier = _classifier(settings)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    with scratch_folder("page") as folder:
        _set_gradio_variables(str(folder), settings.host)
        with shown("starting the page"):
            page = _launch(settings, classifier)
        host = _in_address(settings.host)
        print(f"the page is at http://{host}:{settings.port} (Ctrl-C ends it)", flush=True)
        if not settings.is_local:
            print("warning: whoever can reach this machine can use it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        page.close(verbose=False)
    print("ended")


def _set_gradio_variables(folder: str, host: str) -> None:
    """Set what gradio reads from the environment when it is imported and launched."""
    os.environ["GRADIO_TEMP_DIR"] = folder  # uploads and drawings
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_RUN_HISTORY"] = "False"  # else browsers keep every visitor's pictures
    for name in ("NO_PROXY", "no_proxy"):  # it fetches its own page, which no proxy knows
        given = [os.environ[name]] if os.environ.get(name) else []
        os.environ[name] = ",".join([*given, "localhost", "127.0.0.1", "::1", host])


def _launch(settings: DemoAppVerb, classifier: PictureClassifier) -> "gradio.Blocks":
    """Return the page, which listens. Raises ConfigError where it cannot."""
    with needing_extra("page", "the page"):
        from fewshot_fer.inference.page.events import build_page
        from fewshot_fer.inference.page.layout import SCRIPT, STYLE, theme
    page = build_page(classifier)
    try:
        page.launch(
            server_name=_in_address(settings.host),
            server_port=settings.port,
            max_file_size=int(settings.max_mb * 1_000_000),
            theme=theme(),
            css=STYLE,
            js=SCRIPT,
            share=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
        )
    except OSError as error:  # taken since it was looked at
        raise _no_port(settings, error) from error
    return page


def _in_address(host: str) -> str:
    """Return a host as an address has it: one of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _classifier(settings: DemoAppVerb) -> PictureClassifier:
    device = prepare_device(settings.device, 0, threads=threads_per_job(None))
    run = choose_run(settings, device)
    cropper = Cropper(run.image_size, load_detector(device) if settings.align else None)
    given = resolve_support(settings.support, run, cropper)
    if not run.is_starter or settings.support is None:
        return PictureClassifier(run, given, cropper)
    run = starter(device=device)  # its seven classes stay at hand beside those of the support
    return PictureClassifier(run, Enrolment(run.support, {}), cropper, taught=given)


def _check_port(settings: DemoAppVerb) -> None:
    """Raise ConfigError where the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise _no_port(settings, error) from error


def _no_port(settings: DemoAppVerb, error: OSError) -> ConfigError:
    return ConfigError(
        f"host={settings.host} port={settings.port} cannot be listened on: "
        f"{error.strerror or error}. Give another port="
    )
