"""Every tag documented once, and everything made from that documentation."""

import math
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from training.monitoring.about import how_to_read
from training.monitoring.tags.glossary import glossary_page
from training.monitoring.tags.layout import HEALTH, layout
from training.monitoring.tags.tags import CAUSES, TAGS, WATCHES, Kind, Tag, Unit, find_tag
from training.settings import GuardSettings, known_keys


def test_the_glossary_page_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
    assert page.read_text() == glossary_page(), "run python -m training.monitoring.tags.glossary > docs/metrics.md"


def test_every_tag_is_documented_whole_and_every_watch_has_a_threshold() -> None:
    for tag in TAGS.values():
        assert "/" in tag.name, tag
        assert len(tag.meaning) > 5, tag
        assert (tag.cause is not None) == bool(tag.healthy or tag.limit), tag
        assert tag.unit in get_args(Unit)
        assert tag.kind == "scalar" if tag.healthy else tag.kind in get_args(Kind)
        assert tag.low is None or tag.high is None or tag.low <= tag.high


@pytest.mark.parametrize(
    ("low", "high", "words", "inside", "outside"),
    [
        (0.0, 0.0, "exactly 0 %", [0.0], [1e-12, -1e-12, math.nan]),
        (0.1, None, "10 % or more", [0.1, 1.0], [0.0999, math.nan, -math.inf]),
        (None, 0.5, "50 % or less", [-9.0, 0.5], [0.501, math.nan, math.inf]),
        (0.1, 0.5, "10 % to 50 %", [0.1, 0.3, 0.5], [0.09, 0.51]),
    ],
)
def test_a_healthy_range(low: Any, high: Any, words: str, inside: list[float], outside: list[float]) -> None:
    tag = Tag("a/b", "a share of something", "share", low=low, high=high)
    assert tag.healthy == words
    assert [tag.fits(value) for value in (*inside, *outside)] == [True] * len(inside) + [False] * len(outside)
    for name in WATCHES:
        assert isinstance(getattr(GuardSettings(), name), float)
        assert f"guard/alarm/{name}" in TAGS


def test_advice_names_settings_that_exist() -> None:
    advice = " ".join(cause.advice for cause in CAUSES)
    named = re.findall(r"\b(?:run|selfplay|replay|learner|log)\.\w+", advice)
    assert len(named) > 10
    assert set(named) <= set(known_keys())


def test_a_family_documents_its_members_and_nothing_else() -> None:
    assert find_tag("weights/features.weight") is TAGS["weights/*"]
    for stranger in ("loss/totals", "xweights/a", "loss"):
        with pytest.raises(KeyError, match="not documented"):
            find_tag(stranger)


def test_the_dashboard_shows_every_curve_and_no_chart_is_empty() -> None:
    members = [name.replace("*", "0") for name, tag in TAGS.items() if tag.kind == "scalar"]
    shown = set[str]()
    for titles in layout().values():
        for kind, patterns in titles.values():
            assert kind == "Multiline"
            for pattern in patterns:
                found = {name for name in members if re.match(pattern, name)}
                assert found, f"{pattern} matches no tag"
                shown |= found
    assert shown == set(members)
    # The charts that matter come first.
    group, titles = next(iter(layout().items()))
    words = ("strength", "losses", "illegal", "decisive", "throughput")
    assert group == HEALTH
    assert all(word in " ".join(titles).lower() for word in words)


def test_a_suggested_command_is_the_one_that_works_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROMASS_PROGRAM", ".venv/bin/zeromass")
    assert "`.venv/bin/zeromass audit`" in TAGS["leak/kernel_max"].description
    assert "`.venv/bin/zeromass status RUN`" in how_to_read()
