"""The frame of the report: one HTML file that needs nothing from anywhere else."""

from html import escape
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent


def page(title: str, body: str) -> str:
    """The whole file, style and script within; its content policy makes sure that nothing is ever fetched."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    style, script = ((_HERE / name).read_text() for name in ("report.css", "report.js"))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><main>{body}</main><script>{script}</script></body></html>\n"
    )
