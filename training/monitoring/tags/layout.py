"""The dashboard: the charts of layout.yaml, which TensorBoard's custom scalars show."""

from pathlib import Path
from typing import Any, Final

import yaml

HEALTH: Final = "Is it healthy?"

_CHARTS: Final[dict[str, dict[str, str]]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())


def layout() -> dict[str, dict[str, list[Any]]]:
    """As `SummaryWriter.add_custom_scalars` takes it."""
    return {
        group: {title: ["Multiline", [f"^{tag}$" for tag in tags.split()]] for title, tags in charts.items()}
        for group, charts in _CHARTS.items()
    }
