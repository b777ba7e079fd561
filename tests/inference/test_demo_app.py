"""The page, in a real browser: a face goes in, its label comes out, a new class works at once."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, Command
from PIL import Image

from fewshot_fer.config.verbs import DemoAppVerb
from fewshot_fer.data.labels import BASIC

Driver = Any  # selenium may be missing
REQUEST = "Network.requestWillBeSent"
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


@dataclass(frozen=True)
class Served:
    """A page that is served as a user would, the process, and where its files lie."""

    address: str
    port: int
    process: "subprocess.Popen[str]"
    files: Path


@pytest.fixture
def page(run: Path, tmp_path: Path) -> Iterator[Served]:
    port, files = free_port(), tmp_path / "temporary"
    files.mkdir()
    words = [sys.executable, "-m", "fewshot_fer.demo_app", f"run={run}", f"port={port}", "max_mb=1"]
    # A proxy that is not there, so that anything that is asked of other machines fails.
    surroundings = {"TMPDIR": str(files), "HTTP_PROXY": "http://127.0.0.1:9"}
    with subprocess.Popen(
        [*words, "align=false"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **surroundings},
    ) as served:
        assert served.stdout is not None
        try:
            line = served.stdout.readline()
            assert f"http://127.0.0.1:{port}" in line, line + served.stdout.read()
            yield Served(f"http://127.0.0.1:{port}", port, served, files)
        finally:
            if served.poll() is None:
                served.kill()


@pytest.fixture
def browser() -> Iterator[Driver]:
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
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


def wait_for(driver: Driver, element: str, holds: str, seconds: float = 30) -> str:
    """Return the text of an element once it has `holds` in it."""
    text, until = "", time.monotonic() + seconds
    while time.monotonic() < until:
        found = driver.find_elements("id", element)
        text = found[0].text if found else ""
        if holds in text and "processing" not in text:  # which shows its progress in %
            return text
        time.sleep(0.1)
    raise AssertionError(f"#{element} never held {holds!r}, but {text!r}")


def choose(driver: Driver, element: str, *files: Path) -> None:
    """Give files to the file chooser within an element."""
    chooser = driver.find_element("css selector", f"#{element} input[type=file]")
    chooser.send_keys("\n".join(map(str, files)))


def asked_for(driver: Driver) -> set[str]:
    """Return every address that the browser asked for over the network since it was started."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == REQUEST]
    return {url for url in sent if url.startswith(("http", "ws"))}


def test_a_face_is_named_and_a_class_added(
    page: Served, browser: Driver, demo: Path, tmp_path: Path
) -> None:
    """Upload, label, a class of one's own that wins at once, on a wide screen and a narrow one."""
    face = sorted((demo / "RAF-DB/basic/Image/aligned").glob("test_*.jpg"))[0]
    copies = [shutil.copy(face, tmp_path / f"copy_{number}.jpg") for number in range(5)]
    browser.get(page.address)
    wait_for(browser, "add", "Add")
    choose(browser, "given", face)
    label = wait_for(browser, "answer", "%").split()[0]
    assert label in BASIC
    assert label in wait_for(browser, "shares", label)
    browser.find_element("css selector", "#name textarea, #name input").send_keys("문 <b>my</b>")
    choose(browser, "files", *copies)
    wait_for(browser, "files", "copy_4")
    browser.find_element("id", "add").click()
    wait_for(browser, "said", "문 <b>my</b>: 5 pictures added. 8 classes now.")
    wait_for(browser, "answer", "문 <b>my</b>")  # the very picture, so no prototype is nearer
    wait_for(browser, "why", "문 <b>my</b> 0.00")
    for name, size in (("wide", (1300, 1500)), ("narrow", (500, 1500))):
        browser.set_window_size(*size)
        browser.save_screenshot(str(tmp_path / f"{name}.png"))
        across = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert across <= 0
    asked = asked_for(browser)
    assert page.address + "/" in asked
    assert {url for url in asked if not url.startswith(page.address)} == set()
    assert list(page.files.glob("fewshot_fer_page_*/**/copy_4.jpg"))
    page.process.send_signal(signal.SIGINT)  # while the browser still looks at it
    assert page.process.stdout is not None
    assert page.process.stdout.read() == "ended\n"
    assert page.process.wait(20) == 0
    assert list(page.files.glob("fewshot_fer*")) == []


def test_the_page_answers_bad_files_and_strangers(
    page: Served, browser: Driver, tmp_path: Path
) -> None:
    """A text named .jpg and a decompression bomb get a sentence, no error; so does a large file."""
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "large.jpg").write_bytes(bytes(1_100_000))
    for name, said in (
        ("text.jpg", "cannot be read as a picture"),
        ("bomb.png", "too many pixels"),
    ):
        browser.get(page.address)
        wait_for(browser, "add", "Add")
        choose(browser, "given", tmp_path / name)
        wait_for(browser, "answer", said)
    browser.get(page.address)
    wait_for(browser, "add", "Add")
    choose(browser, "given", tmp_path / "large.jpg")
    until = time.monotonic() + 20
    while "exceed" not in browser.page_source and time.monotonic() < until:
        time.sleep(0.1)
    assert "exceed the maximum allowed size" in browser.page_source
    with pytest.raises(ConnectionRefusedError):  # loopback has more addresses than one
        socket.create_connection(("127.0.0.2", page.port), timeout=5)
    assert_only_uploads(page)
    page.process.send_signal(signal.SIGTERM)
    assert page.process.wait(20) == 0
    assert list(page.files.glob("fewshot_fer*")) == []


def assert_only_uploads(page: Served) -> None:
    """An address in the place of a file is not fetched."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        stranger.settimeout(0.5)
        url = f"http://127.0.0.1:{stranger.getsockname()[1]}/face.png"
        sent = {"path": url, "meta": {"_type": "gradio.FileData"}}
        join = f"{page.address}/gradio_api/queue"
        with urllib.request.urlopen(f"{page.address}/config", timeout=20) as reply:
            functions = json.load(reply)["dependencies"]
        number = next(each["id"] for each in functions if len(each["inputs"]) == 2)
        body = {"data": [sent, None], "fn_index": number, "session_hash": "stranger"}
        request = urllib.request.Request(
            f"{join}/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=20).close()
        address = f"{join}/data?session_hash=stranger"
        with urllib.request.urlopen(address, timeout=20) as reply:
            said = next(line for line in reply if b"process_completed" in line)
        assert b"Send a file, not an address." in said
        with pytest.raises(TimeoutError):
            stranger.accept()


def test_a_picture_that_is_none_is_said_to_be_none(run: Path, tmp_path: Path) -> None:
    """A text named .jpg, and a class without a name or without a readable picture."""
    from fewshot_fer.inference.crops import Cropping
    from fewshot_fer.inference.enrol import Enrolled
    from fewshot_fer.inference.page.booth import Booth
    from fewshot_fer.runs.load import load_run

    trained = load_run(run)
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
