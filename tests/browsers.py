"""Chromium as tests of pages drive it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

Driver = Any  # selenium may be missing
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run "
    "--disable-component-update --disable-sync --hide-scrollbars --window-size=1300,1500"
)


CAMERA = "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"


def open_browser(folder: Path, camera: Path | None = None) -> Driver:
    """Return a browser with a profile of its own below `folder`, or skip where there is none.

    camera: a .y4m film that its camera shows again and again.
    """
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = [*FLAGS.split(), f"--user-data-dir={folder / 'profile'}"]
    if camera is not None:
        flags += [*CAMERA.split(), f"--use-file-for-fake-video-capture={camera}"]
    for flag in flags:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
