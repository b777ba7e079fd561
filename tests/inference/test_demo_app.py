"""The page, in a real browser: a face goes in, its label comes out, a new class works at once."""

import json
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_input.page_cases import CASES, Page, served
from browsers import Driver, open_browser
from conftest import Command, assert_one_line

from fewshot_fer.config.verb_settings import DemoAppVerb
from fewshot_fer.data.labels import BASIC

FAULTS = ("a picture,", "a file larger", "hostile: the path of a file that")
SENT = [case for case in CASES if case[0].startswith(FAULTS)]
REQUEST = "Network.requestWillBeSent"


@pytest.fixture
def page(fixed_run: Path, tmp_path: Path) -> Iterator[Page]:
    """Serve the page as a user would, in a process of its own."""
    with served([f"run={fixed_run}"], tmp_path / "temporary") as page:
        yield page


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    driver = open_browser(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


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


def open_tab(driver: Driver, name: str) -> None:
    """Open one of the tabs that faces come from."""
    tabs = driver.find_elements("css selector", "button[role=tab]")
    next(tab for tab in tabs if tab.text == name and tab.is_displayed()).click()


def choose(driver: Driver, element: str, *files: Path) -> None:
    """Give files to the file chooser within an element."""
    chooser = driver.find_element("css selector", f"#{element} input[type=file]")
    chooser.send_keys("\n".join(map(str, files)))


def fetched(driver: Driver) -> set[str]:
    """Return every address that the browser fetched over the network since it was started."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == REQUEST]
    return {url for url in sent if url.startswith(("http", "ws"))}


@pytest.mark.slow
def test_a_face_is_named_and_a_class_added(
    page: Page, browser: Driver, data: Path, tmp_path: Path
) -> None:
    """Upload, label, a class of one's own that wins at once, on a wide screen and a narrow one; no
    address but the page's own is fetched, and Ctrl-C leaves no upload behind."""
    face = sorted((data / "RAF-DB/basic/Image/aligned").glob("test_*.jpg"))[0]
    copies = [shutil.copy(face, tmp_path / f"copy_{number}.jpg") for number in range(5)]
    browser.get(page.address)
    wait_for(browser, "take", "Take")
    browser.find_element("css selector", "#from_files button").click()
    open_tab(browser, "Picture")
    choose(browser, "picture", face)
    label = wait_for(browser, "headline", "%").split()[0]
    assert label in BASIC
    assert label in wait_for(browser, "probabilities", label)
    browser.find_element("css selector", "#name textarea, #name input").send_keys("문 <b>my</b>")
    choose(browser, "files", *copies)
    wait_for(browser, "files", "copy_4")
    browser.find_element("id", "add").click()
    wait_for(browser, "message", "문 <b>my</b>: 5 pictures added. 8 classes now.")
    wait_for(browser, "headline", "문 <b>my</b>")  # the very picture, so no prototype is nearer
    wait_for(browser, "neighbours", "문 <b>my</b> 0.00")
    for name, size in (("wide", (1300, 1500)), ("narrow", (500, 1500))):
        browser.set_window_size(*size)
        browser.save_screenshot(str(tmp_path / f"{name}.png"))
        across = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert across <= 0
    addresses = fetched(browser)
    assert page.address + "/" in addresses
    assert {url for url in addresses if not url.startswith(page.address)} == set()
    assert list(page.files.glob("fewshot_fer_page_*/**/copy_4.jpg"))
    page.process.send_signal(signal.SIGINT)  # while the browser still looks at it
    assert page.process.stdout is not None
    assert page.process.stdout.read() == "ended\n"
    assert page.process.wait(20) == 0
    assert list(page.files.glob("fewshot_fer*")) == []


@pytest.mark.slow
def test_bad_files_and_strangers(page: Page, browser: Driver, tmp_path: Path) -> None:
    """A stranger's path and a large file are refused, the browser shows that one is too large, and
    SIGTERM leaves no upload behind. All other bad files: scripts/try_bad_input.py."""
    pytest.importorskip("gradio")
    for fault, send, _, says in SENT:
        assert says in send(page, tmp_path), fault
    browser.get(page.address)
    wait_for(browser, "take", "Take")
    open_tab(browser, "Picture")
    choose(browser, "picture", tmp_path / "large.jpg")
    until = time.monotonic() + 20
    while "exceed" not in browser.page_source and time.monotonic() < until:
        time.sleep(0.1)
    assert "exceed the maximum allowed size" in browser.page_source
    page.process.send_signal(signal.SIGTERM)
    assert page.process.wait(20) == 0
    assert list(page.files.glob("fewshot_fer*")) == []


def test_it_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    """Loopback is the default and known when it is seen."""
    assert DemoAppVerb(run="x").is_local
    assert DemoAppVerb(run="x", host="localhost").is_local
    assert not DemoAppVerb(run="x", host="0.0.0.0").is_local


def test_mistakes_are_one_line(command: Command) -> None:
    """A port that is taken, no run, nonsense: nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, says in (
            ([f"port={taken.getsockname()[1]}"], "cannot be listened on"),
            (["port=47613"], "nowhere is not the folder of a trained run"),
            (["port=0"], "port=0 is out of range"),
            (["max_mb=0"], "max_mb=0.0 is out of range"),
            (["support=missing"], "support=missing is not there"),
        ):
            outcome = command("demo_app", "run=nowhere", *arguments)
            assert_one_line(outcome, says)
