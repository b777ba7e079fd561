"""The page with a camera, in a real browser: two classes are taught from the stream."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bad_input.page_cases import Page, served
from browsers import Driver, open_browser
from films import write_y4m
from PIL import Image

from fewshot_fer.data.demo import ensure_demo

pytestmark = pytest.mark.slow
NAMES = {"red": "grin", "blue": "wow"}  # behind each face: the class that it is taught as
COLOURS = {"red": (150, 60, 60), "blue": (60, 60, 150)}
CORNER = """
const video = document.querySelector("#camera video"), canvas = document.createElement("canvas");
if (!video || !video.videoWidth) return "";
canvas.width = canvas.height = 8;
const context = canvas.getContext("2d");
context.drawImage(video, 0, 0, 8, 8, 0, 0, 8, 8);
const [red, , blue] = context.getImageData(4, 4, 1, 1).data;
return red > blue ? "red" : "blue";
"""


def moving(face: Image.Image, colour: tuple[int, int, int], count: int) -> list[Image.Image]:
    """Return frames in which a face moves, turns and comes nearer a little."""
    frames = []
    for number in range(count):
        side = round(200 * (1 + 0.04 * np.sin(number / 3)))
        turned = face.resize((side, side)).rotate(3 * np.sin(number / 5), fillcolor=colour)
        frame = Image.new("RGB", (320, 240), colour)
        frame.paste(turned, (60 + round(6 * np.sin(number / 4)), 20))
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Four seconds of a smile before red, four of surprise before blue, both drawn faces."""
    root = ensure_demo(cache, 0.02)
    table = pd.read_csv(root / "labels.csv")
    front = table["yaw_degrees"].abs().lt(8) & table["path"].str.contains("basic/Image/aligned")
    frames = []
    for label, colour in (("happiness", COLOURS["red"]), ("surprise", COLOURS["blue"])):
        own = table[front & table["label"].eq(label) & table["has_face"].eq(1)]
        path = own.sort_values("strength")["path"].iloc[-1]
        frames += moving(Image.open(root / path).convert("RGB"), colour, 40)
    return write_y4m(tmp_path_factory.mktemp("film") / "faces.y4m", frames)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """Serve the page without a run, in a process of its own; faces are found."""
    pytest.importorskip("facenet_pytorch")
    with served([], tmp_path / "temporary", aligned=True) as page:
        yield page


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Iterator[Driver]:
    driver = open_browser(tmp_path_factory.mktemp("browser"), film)
    yield driver
    driver.quit()


def wait_until(holds: object, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError("it never came to hold")


def wait_for_turn(driver: Driver, colour: str) -> None:
    """Wait until the face before this colour has just come into view."""
    wait_until(lambda: driver.execute_script(CORNER) not in ("", colour))
    wait_until(lambda: driver.execute_script(CORNER) == colour)
    time.sleep(1.2)  # the stream is a few frames behind, and what is shown is smoothed


def text_of(driver: Driver, element: str) -> str:
    found = driver.find_elements("id", element)
    return str(found[0].text) if found else ""


def find(driver: Driver, selector: str) -> Driver:
    return driver.find_element("css selector", selector)


def pictures_taken(driver: Driver, name: str) -> int:
    """Return how many pictures the message counts for a class; 0 for another message."""
    found = re.match(rf"{name}: (\d+) picture", text_of(driver, "message"))
    return int(found[1]) if found else 0


def press(driver: Driver) -> None:
    """Press the button once, and leave the stream a moment to bring the next face."""
    find(driver, "#take").click()
    time.sleep(0.4)


def hold(driver: Driver) -> None:
    """Hold the button for a second, in which it takes a picture of each new face."""
    chains = pytest.importorskip("selenium.webdriver").ActionChains
    chains(driver).click_and_hold(find(driver, "#take")).pause(1).release().perform()


def teach(driver: Driver, colour: str, take: Callable[[Driver], None]) -> int:
    """Take pictures of a colour's face while it is in view, in as many of its turns as it needs to
    come to five; return how many there are. On a busy machine the stream brings few a second."""
    name_the_class(driver, NAMES[colour])
    until = time.monotonic() + 120
    while pictures_taken(driver, NAMES[colour]) < 5:
        assert time.monotonic() < until, text_of(driver, "message")
        wait_for_turn(driver, colour)
        while driver.execute_script(CORNER) == colour and pictures_taken(driver, NAMES[colour]) < 5:
            take(driver)
    time.sleep(1)  # the last press may still be under way
    return pictures_taken(driver, NAMES[colour])


def name_the_class(driver: Driver, name: str) -> None:
    field = find(driver, "#name textarea, #name input")
    field.clear()
    field.send_keys(name)


def test_two_classes_are_taught_from_the_camera(
    page: Page, browser: Driver, tmp_path: Path
) -> None:
    """One class is taught by single presses, one by holding the button; then each face has its
    label, classes are edited by the keyboard and saved, and nothing leaves the machine."""
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    browser.get(page.address)
    wait_until(lambda: "Take" in text_of(browser, "take"))
    find(browser, '#camera [title="grant webcam access"] button').click()
    wait_until(lambda: "%" in text_of(browser, "headline"))
    pressed = teach(browser, "red", press)
    assert teach(browser, "blue", hold) >= 5
    for colour in ("red", "blue"):
        wait_for_turn(browser, colour)
        assert text_of(browser, "headline").startswith(NAMES[colour])
        assert NAMES[colour] in text_of(browser, "neighbours")
    for width, dark in ((1200, False), (390, False), (1200, True), (390, True)):
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_script("document.body.classList.toggle('dark', arguments[0])", dark)
        time.sleep(0.5)
        browser.save_screenshot(str(tmp_path / f"{width}{'_dark' * dark}.png"))
        across = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert across <= 0
    field = find(browser, "#classes input[data-name=wow]")
    field.send_keys(keys.END, " now", keys.ENTER)
    wait_until(lambda: browser.find_elements("css selector", '#classes input[value="wow now"]'))
    find(browser, "#classes button[data-act=remove]").send_keys(keys.ENTER)
    wait_until(lambda: f"{pressed - 1} pictures" in text_of(browser, "classes"))
    find(browser, "#save").send_keys(keys.ENTER)
    wait_until(lambda: "my_classes" in text_of(browser, "saved"))
    find(browser, '#classes button[data-act=delete][data-name="wow now"]').send_keys(keys.SPACE)
    wait_until(lambda: not browser.find_elements("css selector", '#classes input[value="wow now"]'))
    messages = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    sent = [
        m["params"]["request"]["url"]
        for m in messages
        if "requestWillBe" in m["method"] and "request" in m["params"]
    ]
    assert {url for url in sent if url.startswith("http")}
    assert not {url for url in sent if url.startswith("http") and page.address not in url}
