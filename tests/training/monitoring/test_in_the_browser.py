"""TensorBoard and the report as people see them, in headless Chromium. Screenshots stay in the test's folder."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.monitoring.short_run import short_run
from training.durability.run_folder import RunFolder
from training.monitoring.report.report import report_page
from training.monitoring.tags.layout import HEALTH, layout
from training.monitoring.tensorboard import start_tensorboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PATIENCE = 180_000.0  # milliseconds

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; it is in the dev extra")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return short_run(tmp_path_factory.mktemp("runs"), 40)


@pytest.fixture(scope="module")
def address(run: RunFolder) -> str:
    return start_tensorboard(run.path, None)


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())


@pytest.fixture
def page(chromium: "Browser") -> "Iterator[Page]":
    page = chromium.new_page(viewport={"width": 1500, "height": 1200})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


def text(page: "Page", words: str) -> "Locator":
    """Where the page has these words, within shadow roots too, which TensorBoard is made of."""
    return page.get_by_text(re.compile(re.escape(words))).first


def test_the_layout(page: "Page", address: str, tmp_path: Path) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{address}#custom_scalars")
    for words in (*layout(), *layout()[HEALTH], "Matches (3)"):  # the losses: patterns found their tags
        text(page, words).wait_for(state="attached")
    page.locator("vz-line-chart2").nth(len(layout()[HEALTH]) - 1).wait_for(state="attached")
    page.screenshot(path=tmp_path / "dashboard.png")
    assert (tmp_path / "dashboard.png").stat().st_size > 10_000
    assert [asked for asked in requests if not asked.startswith((address, "data:", "blob:"))] == []


def test_the_boards_and_the_text(page: "Page", address: str, tmp_path: Path) -> None:
    page.goto(f"{address}#images")
    text(page, "games/drawn").wait_for(state="attached")
    for place in range(3):  # a game, the openings, the calibration
        image = playwright.expect(page.locator("img").nth(place))
        image.to_have_js_property("naturalWidth", 1240, timeout=PATIENCE)
    page.screenshot(path=tmp_path / "boards.png")
    page.goto(f"{address}#text")
    for words in ("learner.batch_size", '[Event "ZeroMass self-play, run it"]', "starved learner", "tensorboard"):
        text(page, words).wait_for(state="attached")
    page.screenshot(path=tmp_path / "text.png")


@pytest.mark.parametrize("dark", [False, True])
def test_the_report(chromium: "Browser", run: RunFolder, tmp_path: Path, dark: bool) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_page(run))
    complaints, requests = list[str](), list[str]()
    page = chromium.new_page(
        viewport={"width": 1300, "height": 1600}, offline=True, color_scheme="dark" if dark else "light"
    )
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "assert") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    assert page.locator(".chart").count() > 10
    pieces = page.locator(".game .pieces")
    before = pieces.first.inner_html()
    page.locator(".game button[data-by='-1']").first.click()
    assert pieces.first.inner_html() != before
    page.locator(".game button[data-by='1']").first.click()
    assert all(2 <= count <= 32 for count in pieces.evaluate_all("all => all.map(one => one.children.length)"))
    page.locator(".chart svg").first.hover()
    assert "step" in page.locator(".chart output").first.inner_text()
    assert min(page.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)")) > 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / "report.png")
    assert complaints == []
    assert [asked for asked in requests if not asked.startswith(("file:", "data:", "about:"))] == []
    # The page's policy lets no other script run.
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
    assert page.title() == "ZeroMass: it"
    page.close()
