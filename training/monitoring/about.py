"""What a run says of itself as text: settings, the version of everything, and how to read the dashboard."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from training.doctor import usable_cores
from training.monitoring.tags.tags import COLLAPSE, STALE, STARVED, TAGS
from training.settings import Settings

PACKAGES: Final = ("zeromass", "torch", "triton", "ray", "numba", "numpy", "chess", "tensorboard", "resvg-py")

HOW_TO_READ: Final = """\
**Ten seconds:** *Custom scalars*, the group *Is it healthy?*. **One minute:** `zeromass status RUN` names the cause.
*Images* has sample games, openings, heat maps, calibration; *Text* the games as PGN, settings and versions.

| you see | it is | look at |
|---|---|---|
"""


def how_to_read() -> str:
    """Markdown: each sickness with the tags that show it."""
    rows = []
    for sickness in (COLLAPSE, STARVED, STALE):
        tags = [tag for tag in TAGS.values() if tag.sickness == sickness]
        signs = ", ".join(f"`{tag.name}` (healthy: {tag.healthy})" for tag in tags)
        rows.append(f"| one of these outside its range | **{sickness}** | {signs} |\n")
    return HOW_TO_READ + "".join(rows)


def settings_text(settings: Settings) -> str:
    """Markdown: every setting, those that differ from their default in bold."""
    lines = ["| setting | value | meaning |", "|---|---|---|"]
    for section_name, section in settings:
        for key, field in type(section).model_fields.items():
            value = getattr(section, key)
            shown = f"`{value}`" if value == field.default else f"**`{value}`**"
            lines.append(f"| {section_name}.{key} | {shown} | {field.description or ''} |")
    return "\n".join(lines)


def flat_settings(settings: Settings) -> dict[str, bool | str | float | int]:
    """Settings as `section.key`; those that are unset are left out."""
    flat = {f"{name}.{key}": value for name, section in settings for key, value in section}
    # TensorBoard takes no tables, such as the resources of an actor.
    return {name: str(value) if isinstance(value, dict) else value for name, value in flat.items() if value is not None}


def versions() -> dict[str, str]:
    """Of Python, of what we build on, and of the machine."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}, {usable_cores()} cores"
    return {**found, "machine": machine}


def versions_text() -> str:
    """Markdown."""
    rows = "".join(f"| {name} | {found} |\n" for name, found in versions().items())
    return f"| what | version |\n|---|---|\n{rows}"
