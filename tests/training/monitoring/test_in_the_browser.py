"""TensorBoard as people see it, in headless Chromium. Screenshots stay in the test's folder."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.monitoring.short_run import short_run
from training.durability.run_folder import RunFolder
from training.monitoring.tags.layout import HEALTH, layout
from training.monitoring.tensorboard import start_tensorboard

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

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


@pytest.fixture
def page() -> "Iterator[Page]":
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1500, "height": 1200})
        page.set_default_timeout(PATIENCE)
        yield page


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
