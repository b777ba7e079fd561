"""report.html as people meet it: in a browser, from the disk, on a desk and on a phone."""

import json
import re
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browsers import Driver, open_browser
from conftest import TINY, Command
from fabricated import fabricate_run, settings_of
from PIL import Image

from fewshot_fer.reports.html import page as page_module
from fewshot_fer.reports.html.page_limit import drawn_curves
from fewshot_fer.reports.html.report import runs_report

EVIL = "<script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on runs with pictures, spoilt ones, and names that are none."""
    root = tmp_path_factory.mktemp("runs")
    images = root / ".images"
    images.mkdir()
    random = np.random.default_rng(0)
    for number in range(60):
        pixels = random.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{number:05}.jpg")
    for number in range(20):
        settings = settings_of(
            "eval=basic_fixed5", "paths.data=/data", "train.epochs=5", f"seed={number}"
        )
        settings.train.n_way = 3 + number % 2
        spoilt = "shared_images:4" if number == 3 else ""
        fabricate_run(
            root / f"run_{number:02}",
            settings,
            skill=number / 20,
            images=str(images),
            warnings=spoilt,
            uses="names of the parts" if number == 5 else "",
        )
    odd = settings_of("paths.data=/data", "train.epochs=2")
    odd.dataset.root = f"</script>{EVIL}"
    names = (EVIL, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}")
    fabricate_run(root / "evil <b>'&", odd, names=names, warnings=EVIL)
    text = runs_report([root], embeddings=False)[0]["report.html"]
    (root / "report.html").write_text(text, encoding="utf-8")
    return root / "report.html"


def opened(file: Path, folder: Path, width: int = 1400) -> Driver:
    """Return a browser that shows a file on a screen of that width."""
    browser = open_browser(folder)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(file.as_uri())
    return browser


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    browser = opened(page, tmp_path_factory.mktemp("browser"))
    yield browser
    browser.quit()


SHOWN = """return [...document.querySelectorAll('.board:not([hidden])')]
  .filter(board => board.dataset.role === 'validation')
  .map(board => [...board.querySelectorAll('tbody tr')].filter(row => !row.hidden)
    .map(row => [Number(row.dataset.accuracy), row.querySelector('.run a').textContent]))"""


def rows(browser: Driver) -> list[tuple[float, str]]:
    """Return (accuracy, run) of the rows that are seen in the largest table."""
    return [(row[0], row[1]) for row in max(browser.execute_script(SHOWN), key=len, default=[])]


def fill(browser: Driver, text: str) -> None:
    field = browser.find_element("id", "words")
    field.clear()
    field.send_keys(text or " ")


@pytest.mark.slow
def test_it_opens_from_the_disk_without_a_word_in_the_console(browser: Driver) -> None:
    assert browser.get_log("browser") == []
    assert browser.title.startswith("21 runs")
    asked = "return performance.getEntriesByType('resource').map(one => one.name)"
    assert [name for name in browser.execute_script(asked) if not name.startswith("data:")] == []


@pytest.mark.slow
def test_names_from_files_are_shown_and_never_run(browser: Driver) -> None:
    assert "owned" not in browser.title
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert browser.execute_script("return document.querySelectorAll('script').length") == 1
    heads = "return [...document.querySelectorAll('.matrix th')].map(one => one.textContent)"
    texts = browser.execute_script(heads)
    assert EVIL in texts
    assert "{{ 7 * 7 }}" in texts


@pytest.mark.slow
def test_it_sorts(browser: Driver) -> None:
    """Best first; a click on the heading turns it round, and the arrow says so."""
    browser.refresh()
    accuracies = [row[0] for row in rows(browser)]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(accuracies) == 15  # of twenty, until the button is pressed
    largest = max(
        browser.find_elements("css selector", ".board[data-role=validation]"),
        key=lambda board: len(board.find_elements("css selector", "tbody tr")),
    )
    head = largest.find_element("css selector", "th[data-key=accuracy]")
    head.find_element("tag name", "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    accuracies = [row[0] for row in rows(browser)]
    assert accuracies == sorted(accuracies)
    largest.find_element("css selector", ".more").click()
    assert len(rows(browser)) == 20
    largest.find_element("css selector", "th[data-key=run] button").click()
    names = [row[1] for row in rows(browser)]
    assert names == sorted(names)


@pytest.mark.slow
def test_it_filters(browser: Driver) -> None:
    """By a setting, by a run's name, by role, and what is spoilt goes on demand."""
    browser.refresh()
    fill(browser, "train.n_way=4 run_1")
    assert {row[1] for row in rows(browser)} == {f"run_{number}" for number in range(11, 20, 2)}
    assert browser.find_element("id", "count").text == "10 results"  # training rows too
    fill(browser, "nothing has this")
    assert browser.find_element("id", "nothing").is_displayed()
    fill(browser, "run_03")
    assert len(rows(browser)) == 1
    browser.find_element("id", "sound").click()
    assert rows(browser) == []
    browser.find_element("id", "sound").click()
    fill(browser, "run_05")
    tag = browser.find_element("css selector", ".tag.more-known")
    assert tag.text == "uses names of the parts"
    browser.find_element("id", "plain").click()
    assert rows(browser) == []
    browser.find_element("id", "plain").click()
    fill(browser, "")
    option = browser.find_element("css selector", "#role option:nth-child(2)")
    option.click()
    role = option.text
    boards = (
        "return [...document.querySelectorAll('.board:not([hidden])')].map(b => b.dataset.role)"
    )
    assert set(browser.execute_script(boards)) == {role}


@pytest.mark.slow
def test_a_link_opens_the_run(browser: Driver) -> None:
    browser.refresh()
    browser.find_element("css selector", ".board .run a").click()
    card = "return document.querySelector('details.one[open] .command').textContent"
    assert browser.execute_script(card).startswith("python -m fewshot_fer.train ")


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen(page: Path, tmp_path: Path, width: int) -> None:
    """With every run opened; the text keeps its size on a phone."""
    browser = opened(page, tmp_path, width)
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    measured = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    browser.quit()
    assert measured[0] <= measured[1] == width


@pytest.mark.slow
def test_the_map_shows_the_picture_under_the_pointer(
    data: Path, command: Command, tmp_path: Path
) -> None:
    """A real run's embeddings: point at a picture, see it; both projections, one class alone."""
    assert command("train", *TINY, f"paths.data={data}", "train.epochs=1").code == 0
    seen = command("report", "runs=outputs")
    assert seen.code == 0
    assert seen.err == ""
    browser = opened(seen.folder / "report.html", tmp_path)
    point = browser.find_element("css selector", ".layer.tsne .point")
    now = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
    browser.execute_script(now, point)
    webdriver = pytest.importorskip("selenium.webdriver")
    wait = pytest.importorskip("selenium.webdriver.support.wait")
    tip = browser.find_element("id", "tip")

    def pointed(_: object) -> bool:  # the picture goes while the page scrolls
        webdriver.ActionChains(browser).move_by_offset(0, 0).move_to_element(point).perform()
        return bool(tip.is_displayed())

    wait.WebDriverWait(browser, 10).until(pointed)
    picture = "return getComputedStyle(document.querySelector('#tip .picture')).backgroundImage"
    assert browser.execute_script(picture).startswith('url("data:image/jpeg;base64,')
    assert "right" in tip.text
    browser.find_element("css selector", ".choice button[data-layer=pca]").click()
    assert not point.is_displayed()
    browser.find_element("css selector", ".embedding .classes button").click()
    dimmed = browser.execute_script(
        "return [...document.querySelectorAll('.layer.pca .point')]"
        ".map(one => getComputedStyle(one).opacity)"
    )
    log = browser.get_log("browser")
    browser.quit()
    assert set(dimmed) == {"1", "0.12"}
    assert log == []


class _Links(HTMLParser):
    """Collects what a page could load or lead to."""

    found: list[str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(v) for k, v in attrs if k in ("src", "href", "srcset", "action", "data")]


def test_it_names_no_address_outside_itself(page: Path) -> None:
    """No link, no font, no script, no picture that is not in the file."""
    text = page.read_text(encoding="utf-8")
    links = _Links()
    links.found = []
    links.feed(text)
    assert [link for link in links.found if not link.startswith(("#", "data:"))] == []
    shown = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"""(?:https?:|["'(]//|@import|url\((?!data:))""", shown)


def test_two_hundred_runs_stay_a_page_that_can_be_sent(tmp_path: Path) -> None:
    """A tenth of them here: below a tenth of 10 MB, with a card for each."""
    settings = settings_of("eval=basic_fixed5", "paths.data=/data", "train.epochs=30")
    for number in range(20):
        settings.seed = number
        fabricate_run(tmp_path / f"run_{number:02}", settings, n_images=120, skill=number / 50)
    text = runs_report([tmp_path], embeddings=False)[0]["report.html"]
    assert len(text.encode()) < 1_000_000
    assert len(re.findall(r'<details class="card one"', text)) == 20


def test_half_a_letter_in_a_summary_does_not_stop_the_report(tmp_path: Path) -> None:
    """JSON can hold what UTF-8 cannot."""
    folder = fabricate_run(tmp_path / "run", settings_of("eval=basic_fixed5", "paths.data=/data"))
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"command": "\ud800"}))
    for text in runs_report([tmp_path], embeddings=False)[0].values():
        text.encode("utf-8")


def test_a_page_without_room_draws_the_best_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays one that can be sent; every run keeps its settings and its command, and says what is
    left out. Where there is room nothing is."""
    settings = settings_of("eval=basic_fixed5", "paths.data=/data", "train.epochs=3")
    for number, skill in enumerate((0.1, 0.9, 0.5)):
        fabricate_run(tmp_path / f"run_{number}", settings, skill=skill)
    whole = runs_report([tmp_path], embeddings=False)[0]["report.html"]
    monkeypatch.setattr(page_module, "drawn_curves", partial(drawn_curves, most=8000))
    small = runs_report([tmp_path], embeddings=False)[0]["report.html"]
    assert [_matrices(whole, number) for number in range(3)] == [1, 1, 1]
    assert [_matrices(small, number) for number in range(3)] == [0, 1, 0]
    assert small.count("1 of 3 runs") == 2
    assert "of 3 runs" not in whole
    assert small.count("This repeats it") == whole.count("This repeats it") == 3


def _matrices(page: str, number: int) -> int:
    """Return how many confusion matrices stand with a run."""
    (card,) = (each for each in page.split("<details ")[1:] if f"run_{number}</b>" in each)
    return card.count("<h4>Confusion</h4>")
