"""The event file of a run: scalars, pictures, text, histograms, the dashboard's layout, each with its description.

Summaries are made here rather than by `SummaryWriter.add_*`, which has no place for descriptions; TensorBoard keeps the
first description of a tag, so later ones are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.text.summary_v2 import text_pb
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import custom_scalars, hparams, make_histogram

from training.monitoring.tags.tag import Kind
from training.monitoring.tags.tags import find_tag

Layout = Mapping[str, Mapping[str, list[Any]]]
"""Groups of charts: `{group: {chart: ["Multiline", [tag pattern, ...]]}}`."""

_PLUGINS: Final[dict[Kind, str]] = {"scalar": "scalars", "picture": "images", "text": "text", "histogram": "histograms"}


class Events:
    """Appends to the event files in `folder`.

    Args:
        folder: of the event files.
        resumed_at: learner step that the run goes on from; None for a new run. What earlier files hold after it is
            dropped by TensorBoard.
    """

    def __init__(self, folder: Path, resumed_at: int | None) -> None:
        purge = None if resumed_at is None else resumed_at + 1
        self.first_step = purge or 0
        """Step at which a process writes what it knows from the start: the next process purges it."""
        self._writer = SummaryWriter(str(folder), purge_step=purge)
        self._described: set[tuple[str, Kind]] = set()

    def scalars(self, row: Mapping[str, float], step: int) -> None:
        """One point of each curve, by tag.

        Raises:
            KeyError: a tag is not documented, or not as a scalar.
        """
        values = [
            Summary.Value(tag=tag, simple_value=value, metadata=self._metadata(tag, "scalar"))
            for tag, value in row.items()
        ]
        self._summary(Summary(value=values), step)

    def picture(self, tag: str, png: bytes, size: tuple[int, int], step: int) -> None:
        """A PNG of `size` (width, height) in pixels.

        Raises:
            KeyError: the tag is not documented, or not as a picture.
        """
        image = Summary.Image(width=size[0], height=size[1], colorspace=4, encoded_image_string=png)
        self._add(Summary.Value(tag=tag, image=image, metadata=self._metadata(tag, "picture")), step)

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Text as Markdown.

        Raises:
            KeyError: the tag is not documented, or not as text.
        """
        metadata = self._metadata(tag, "text")
        self._summary(text_pb(tag, markdown, metadata.summary_description if metadata else None), step)

    def histogram(self, tag: str, values: NDArray[np.floating], step: int) -> None:
        """The distribution of `values`; those that are not finite are left out.

        Raises:
            KeyError: the tag is not documented, or not as a histogram.
        """
        metadata = self._metadata(tag, "histogram")
        finite = values[np.isfinite(values)].astype(np.float64)
        if finite.size:
            histogram = make_histogram(finite, "auto" if finite.size < 100 else 60)  # type: ignore[no-untyped-call]
            self._add(Summary.Value(tag=tag, histo=histogram, metadata=metadata), step)

    def layout(self, layout: Layout) -> None:
        """The custom-scalars dashboard."""
        self._summary(custom_scalars(layout), self.first_step)  # type: ignore[no-untyped-call]

    def hparams(self, settings: Mapping[str, bool | str | float | int], metrics: list[str]) -> None:
        """Settings as hyperparameters, to compare runs by `metrics`."""
        for summary in hparams(dict(settings), dict.fromkeys(metrics)):  # type: ignore[no-untyped-call]
            self._summary(summary, self.first_step)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()

    def _metadata(self, name: str, kind: Kind) -> SummaryMetadata | None:
        """For the first value of a tag; None for later ones."""
        if (name, kind) in self._described:
            return None
        tag = find_tag(name)
        if tag.kind != kind:
            raise KeyError(f"tag {name!r} is documented as a {tag.kind}, not as a {kind}")
        self._described.add((name, kind))
        plugin = SummaryMetadata.PluginData(plugin_name=_PLUGINS[kind])
        return SummaryMetadata(summary_description=tag.description, plugin_data=plugin)

    def _add(self, value: Any, step: int) -> None:
        self._summary(Summary(value=[value]), step)

    def _summary(self, summary: Any, step: int) -> None:
        self._writer._get_file_writer().add_summary(summary, step)  # type: ignore[no-untyped-call]
