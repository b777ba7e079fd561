"""Serve the page: load a run, listen until Ctrl-C or a call, remove the files of visitors."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
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


class Page:
    """A page that is served while other work goes on. address: for a browser, http://..."""

    def __init__(self, settings: DemoAppVerb, by_signals: bool = False) -> None:
        """Load the run and serve the page from now on. Raises UserError before anything listens.

        by_signals: SIGINT and SIGTERM end it too where a shell lets processes ignore them.
        """
        self._served = contextlib.ExitStack()
        self._is_local = settings.is_local
        self.address = self._served.enter_context(_listening(settings, by_signals))

    def wait(self) -> None:
        """Print the address, serve the page until Ctrl-C, and close it."""
        print(f"the page is at {self.address} (Ctrl-C ends it)", flush=True)
        if not self._is_local:
            print("warning: whoever can reach this machine can use it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        self.close()
        print("ended")

    def close(self) -> None:
        """End it, and remove the files of visitors; a second time does nothing."""
        self._served.close()

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Page({self.address})"

    def _repr_html_(self) -> str:
        return f'<a href="{self.address}" target="_blank">{self.address}</a>'


@contextlib.contextmanager
def _listening(settings: DemoAppVerb, by_signals: bool) -> Iterator[str]:
    """Serve the page and yield its address."""
    _check_port(settings)
    with shown("loading the network"):
        classifier = _classifier(settings)
    if by_signals:
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore the first
            signal.signal(number, signal.default_int_handler)
    with scratch_folder("page") as folder:
        _set_gradio_variables(str(folder), settings.host)
        with shown("starting the page"):
            page = _launch(settings, classifier)
        try:
            yield f"http://{_in_address(settings.host)}:{settings.port}"
        finally:
            page.close(verbose=False)


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
