"""Texts of a run in TensorBoard: settings, versions, and how to read the dashboard."""

import platform
from typing import Final

from agent.program import program
from training.doctor import usable_cores, versions
from training.monitoring.tags.tags import CAUSES, TAGS
from training.settings import Settings

HOW_TO_READ: Final = """\
**Ten seconds:** *Custom scalars*, the group *Is it healthy?*. **One minute:** `{program} status RUN` names the cause.
*Images* has sample games, openings, calibration; *Text* the games as PGN, settings and versions.

| one of these is not healthy | it means | change |
|---|---|---|
"""


def how_to_read() -> str:
    """Markdown: each cause with the tags that show it."""
    page = HOW_TO_READ.format(program=program())
    for cause in CAUSES:
        tags = [tag for tag in TAGS.values() if tag.cause == cause]
        signs = ", ".join(f"`{tag.name}`" + (f" ({tag.healthy})" if tag.healthy else "") for tag in tags)
        page += f"| {signs} | **{cause.name}** | {cause.suggestion} |\n"
    return page


def settings_text(settings: Settings) -> str:
    """Markdown: every setting, those that differ from their default in bold."""
    lines = ["| setting | value | meaning |", "|---|---|---|"]
    for name, section in settings:
        for key, field in type(section).model_fields.items():
            value = getattr(section, key)
            shown = f"`{value}`" if value == field.default else f"**`{value}`**"
            lines.append(f"| {name}.{key} | {shown} | {field.description or ''} |")
    return "\n".join(lines)


def versions_text() -> str:
    """Markdown: Python, packages and machine."""
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}, {usable_cores()} cores"
    found = {"python": platform.python_version(), **versions(), "machine": machine}
    return "| what | version |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in found.items())
