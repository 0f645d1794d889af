"""The glossary page: `python -m training.monitoring.tags.glossary > docs/metrics.md`."""

from itertools import groupby
from typing import Final

from training.monitoring.tags.tag import Tag
from training.monitoring.tags.tags import TAGS

_HEAD: Final = """\
# Metrics

Every tag that a run logs, made from [tags.py](../training/monitoring/tags/tags.py) by
`python -m training.monitoring.tags.glossary > docs/metrics.md`. The same words stand beside each chart in
TensorBoard, and `zeromass status` judges by the same ranges. x is always the learner step. How to read three sick runs:
[watching.md](watching.md).

A range is where a run can be left alone. `*` stands for a number or a name.
"""
_TITLES: Final = {"scalar": "Curves", "picture": "Pictures", "text": "Text", "histogram": "Histograms"}


def glossary_page() -> str:
    """Markdown: a table for each group of tags."""
    parts = [_HEAD]
    for kind, title in _TITLES.items():
        parts.append(f"\n## {title}\n")
        tags = sorted((tag for tag in TAGS.values() if tag.kind == kind), key=lambda tag: tag.group)
        if kind != "scalar":
            parts.append("\n| tag | meaning |\n|---|---|\n")
            parts += [f"| `{tag.name}` | {tag.meaning} |\n" for tag in tags]
            continue
        for group, members in groupby(tags, key=lambda tag: tag.group):
            parts.append(f"\n### {group}\n\n| tag | meaning | unit | healthy | else |\n|---|---|---|---|---|\n")
            parts += [_row(tag) for tag in members]
    return "".join(parts)


def _row(tag: Tag) -> str:
    otherwise = f"**{tag.sickness}**: {tag.advice}" if tag.has_range else ""
    return f"| `{tag.name}` | {tag.meaning} | {tag.unit} | {tag.healthy} | {otherwise} |\n"


if __name__ == "__main__":
    print(glossary_page(), end="")
