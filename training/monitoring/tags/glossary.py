"""The glossary page: `python -m training.monitoring.tags.glossary > docs/metrics.md`."""

from itertools import groupby
from typing import Final

from training.monitoring.tags.tags import TAGS

_HEAD: Final = """\
# Metrics

Every tag that a run logs, made from [tags.py](../training/monitoring/tags/tags.py) by
`python -m training.monitoring.tags.glossary > docs/metrics.md`. TensorBoard shows the same text beside each chart, and
`zeromass status` judges by the same ranges. x is always the learner step. How to read three sick runs:
[watching.md](watching.md).

`*` stands for a number or a name. *Latest games* are the last 1,000. The ranges of `guard/` are thresholds in the
settings: [guard.md](guard.md).
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
            parts.append(f"\n### {group}\n\n| tag | meaning | unit | healthy | otherwise |\n|---|---|---|---|---|\n")
            for tag in members:
                otherwise = f"**{tag.cause.name}**: {tag.cause.advice}" if tag.cause else ""
                parts.append(f"| `{tag.name}` | {tag.meaning} | {tag.unit} | {tag.healthy} | {otherwise} |\n")
    return "".join(parts)


if __name__ == "__main__":
    print(glossary_page(), end="")
