"""TensorBoard and the report as people see them, in headless Chromium. Screenshots stay in the test's folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.monitoring.chromium import Page, find_chromium
from tests.training.monitoring.short_run import short_run
from training.durability.run_folder import RunFolder
from training.monitoring.report.report import report_page
from training.monitoring.tags.layout import HEALTH, layout
from training.monitoring.tensorboard import start_tensorboard

pytestmark = pytest.mark.slow

EVERYTHING = """(() => {
  const found = [];
  const look = root => {
    for (const node of root.querySelectorAll('*')) {
      found.push(node);
      if (node.shadowRoot) look(node.shadowRoot);
    }
  };
  look(document);
  return found;
})()"""
"""All elements, through every shadow root, which TensorBoard is made of."""
TEXT = f"{EVERYTHING}.flatMap(node => [...node.childNodes]).filter(node => node.nodeType === 3).map(node => node.data)"


@pytest.fixture(scope="module")
def chromium() -> str:
    program, reason = find_chromium()
    if program is None:
        pytest.skip(reason)
    return program


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return short_run(tmp_path_factory.mktemp("runs"), 40)


@pytest.fixture(scope="module")
def address(run: RunFolder) -> str:
    return start_tensorboard(run.path, None)


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with Page(chromium, 1500, 1200) as opened:
        yield opened


def has_text(words: str) -> str:
    return f"{TEXT}.some(text => text.includes({words!r}))"


def test_the_layout(page: Page, address: str, tmp_path: Path) -> None:
    page.open(f"{address}#custom_scalars")
    for group in layout():
        page.wait_for(has_text(group))
    for title in layout()[HEALTH]:
        page.wait_for(has_text(title))
    drawn = f"{EVERYTHING}.filter(node => node.localName === 'vz-line-chart2').length"
    page.wait_for(f"{drawn} >= {len(layout()[HEALTH])}")
    page.wait_for(has_text("Matches (3)"))  # the losses: patterns found their tags
    page.screenshot(tmp_path / "dashboard.png")
    assert (tmp_path / "dashboard.png").stat().st_size > 10_000
    assert [asked for asked in page.requests if not asked.startswith((address, "data:", "blob:"))] == []


def test_the_boards_and_the_text(page: Page, address: str, tmp_path: Path) -> None:
    page.open(f"{address}#images")
    page.wait_for(has_text("games/drawn"))
    wide = f"{EVERYTHING}.filter(node => node.localName === 'img' && node.naturalWidth === 1240).length"
    page.wait_for(f"{wide} >= 3")  # a game, the openings, the heat map
    page.screenshot(tmp_path / "boards.png")
    page.open(f"{address}#text")
    for words in ("learner.batch_size", '[Event "ZeroMass self-play, run it"]', "starved learner", "tensorboard"):
        page.wait_for(has_text(words))
    page.screenshot(tmp_path / "text.png")


@pytest.mark.parametrize("dark", [False, True])
def test_the_report(chromium: str, run: RunFolder, tmp_path: Path, dark: bool) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_page(run))
    with Page(chromium, 1300, 1600, dark=dark) as page:
        # Any request to the network would fail, and be a complaint in the console.
        page.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        page.open(file.as_uri())
        page.wait_for("document.readyState === 'complete' && document.querySelectorAll('.chart').length > 10")
        before = page.run("document.querySelector('.game .pieces').innerHTML")
        page.run("document.querySelector('.game button[data-by=\"-1\"]').click()")
        assert page.run("document.querySelector('.game .pieces').innerHTML") != before
        page.run("document.querySelector('.game button[data-by=\"1\"]').click()")
        pieces = page.run("[...document.querySelectorAll('.game .pieces')].map(one => one.children.length)")
        assert all(2 <= count <= 32 for count in pieces)
        hover = "new PointerEvent('pointermove', {clientX: 200, bubbles: true})"
        page.run(f"document.querySelector('.chart svg').dispatchEvent({hover})")
        assert "step" in page.run("document.querySelector('.chart output').textContent")
        sizes = page.run("[...document.querySelectorAll('img')].map(image => image.naturalWidth)")
        assert min(sizes) > 0
        background = page.run("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(tmp_path / "report.png")
        assert page.complaints == []
        assert [asked for asked in page.requests if not asked.startswith(("file:", "data:", "about:"))] == []
