"""The page, in a real browser: a face goes in, its label comes out, a new class works at once."""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TINY, Command
from PIL import Image

from fewshot_fer.page.settings import DemoAppVerb

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run "
    "--disable-component-update --disable-sync --hide-scrollbars"
)


@pytest.fixture
def run(command: Command, demo: Path) -> Path:
    given = [word for word in TINY if not word.startswith("backbone.image")]
    outcome = command("train", f"paths.data={demo}", *given, "eval=compound_4w5s")
    assert outcome.code == 0, outcome.err
    assert outcome.folder is not None
    return outcome.folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def page(run: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve the page as a user would, and end it with Ctrl-C."""
    port = free_port()
    words = [sys.executable, "-m", "fewshot_fer.demo_app", f"run={run}", f"port={port}", "max_mb=1"]
    words += ["align=false"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as served:
        assert served.stdout is not None
        line = served.stdout.readline()
        assert f"http://127.0.0.1:{port}" in line, line + served.stdout.read()
        yield f"http://127.0.0.1:{port}", served
        if served.poll() is None:
            served.send_signal(signal.SIGINT)


@pytest.fixture
def browser() -> "Iterator[object]":
    webdriver = pytest.importorskip("selenium.webdriver")
    if not (Path(CHROMIUM).exists() and Path(DRIVER).exists()):
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    profile = tempfile.mkdtemp()
    for option in [*OPTIONS.split(), f"--user-data-dir={profile}", "--window-size=1300,1500"]:
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


def wait_for(driver: object, element: str, holds: str, seconds: float = 20) -> str:
    """Return the text of an element once it has `holds` in it."""
    text, until = "", time.monotonic() + seconds
    while time.monotonic() < until:
        found = driver.find_elements("id", element)  # type: ignore[attr-defined]
        text = found[0].text if found else ""
        if holds in text:
            return text
        time.sleep(0.1)
    raise AssertionError(f"#{element} never held {holds!r}, but {text!r}")


def choose(driver: object, element: str, *files: Path) -> None:
    """Give files to the file chooser within an element."""
    chooser = driver.find_element("css selector", f"#{element} input[type=file]")  # type: ignore[attr-defined]
    chooser.send_keys("\n".join(map(str, files)))


def test_a_face_is_named_and_a_class_added(
    page: tuple[str, "subprocess.Popen[str]"], browser: object, demo: Path, tmp_path: Path
) -> None:
    """Upload, label, own class, screenshots; nothing asked of any other host; a clean end."""
    address, served = page
    driver = browser
    driver.get(address)  # type: ignore[attr-defined]
    wait_for(driver, "add", "Add")
    faces = sorted((demo / "RAF-DB/basic/Image/aligned").glob("test_*.jpg"))
    choose(driver, "given", faces[0])
    answer = wait_for(driver, "answer", "%")
    assert answer.split()[0] in wait_for(driver, "shares", answer.split()[0])
    driver.find_element("css selector", "#name textarea, #name input").send_keys("문 <b>new</b>")  # type: ignore[attr-defined]
    choose(driver, "files", *faces[:1] * 1, *faces[1:3])
    time.sleep(1)
    driver.find_element("id", "add").click()  # type: ignore[attr-defined]
    assert "3 pictures added. 8 classes now." in wait_for(driver, "said", "added")
    wait_for(driver, "shares", "new")
    driver.save_screenshot(str(tmp_path / "wide.png"))  # type: ignore[attr-defined]
    asked = [entry["message"] for entry in driver.get_log("performance")]  # type: ignore[attr-defined]
    urls = {part.split('"')[0] for text in asked for part in text.split('"url":"')[1:]}
    outside = {url for url in urls if url.startswith("http") and not url.startswith(address)}
    assert outside == set()
    served.send_signal(signal.SIGINT)
    assert served.wait(20) == 0


def test_a_picture_that_is_none_is_said_to_be_none(run: Path, tmp_path: Path) -> None:
    """A text named .jpg, and a class without a name or without a readable picture."""
    from fewshot_fer.page.answers import Booth
    from fewshot_fer.prediction.crops import Cropping
    from fewshot_fer.prediction.enrolment import Enrolled
    from fewshot_fer.trained import load_trained

    trained = load_trained(run)
    start = Enrolled(trained.support, {})
    booth = Booth(trained, start, Cropping(trained.image_size, None))
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("RGB", (90, 90)).save(tmp_path / "black.png")
    assert "cannot be read" in booth.look(tmp_path / "text.jpg", start).answer
    assert "%" in booth.look(tmp_path / "black.png", start).answer
    for name, files, said in (
        ("  ", [tmp_path / "black.png"], "name"),
        ("x", [], "Choose"),
        ("x", [tmp_path / "text.jpg"], "Nothing added"),
    ):
        after, answered = booth.add_class(name, files, start)
        assert after is start
        assert said in answered
    after, _ = booth.add_class(start.support.class_names[0], [tmp_path / "black.png"], start)
    assert after.support.class_names == start.support.class_names
    assert len(after.support.labels) == len(start.support.labels) + 1


def test_it_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    """Loopback is the default and known when it is seen."""
    assert DemoAppVerb(run="x").is_local
    assert DemoAppVerb(run="x", host="localhost").is_local
    assert not DemoAppVerb(run="x", host="0.0.0.0").is_local


def test_mistakes_are_one_line(command: Command, tmp_path: Path) -> None:
    """A port that is taken, no run, nonsense: nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, said in (
            ([f"port={taken.getsockname()[1]}"], "cannot be listened on"),
            ([f"port={free_port()}"], "nowhere is not the folder of a trained run"),
            (["port=0"], "port=0 is out of range"),
            (["max_mb=0"], "max_mb=0.0 is out of range"),
            (["support=missing"], "support=missing is not there"),
        ):
            outcome = command("demo_app", "run=nowhere", *arguments)
            assert outcome.code == 2
            assert said in outcome.err
            assert outcome.err.count("\n") == 1
