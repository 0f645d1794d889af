"""The glossary page: `python -m training.monitoring.tags.glossary > docs/metrics.md`."""

from pathlib import Path

from jinja2 import Template

from training.monitoring.tags.tags import TAGS


def glossary_page() -> str:
    """Markdown: a table for each group of tags."""
    source = Path(__file__).with_name("glossary.md.jinja").read_text()
    template = Template(source, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return str(template.render(tags=list(TAGS.values())))


if __name__ == "__main__":
    print(glossary_page(), end="")
