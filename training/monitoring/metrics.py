"""What is logged: TensorBoard and log.jsonl written side by side; `training.monitoring.tags` says what each tag means.

x is always the learner step. On resume both files are cut at the checkpoint's step, so a curve has no overlap,
and everything up to a checkpoint is flushed before the checkpoint is written, so it has no gap.
TensorBoard keeps the first description of a tag, so later ones are left out."""

import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.text.summary_v2 import text_pb
from torch import Tensor
from torch.utils.tensorboard.summary import custom_scalars, make_histogram

from agent.drawing import to_png
from training.durability.run_folder import RunFolder, append_row
from training.monitoring.event_file import EventFile
from training.monitoring.pictures.frame import SIZE
from training.monitoring.tags.tags import Kind, find_tag

_PLUGINS: Final[dict[Kind, str]] = {"scalar": "scalars", "picture": "images", "text": "text", "histogram": "histograms"}
_VALUES: Final = 20_000


class Metrics:
    """Appends to a run's event files and its log. A tag that is not documented as what it is written as is a KeyError.
    `resumed_at` is the learner step of the checkpoint that the run goes on from; None for a new run. Rows after it are
    dropped: from the log here, from earlier event files by TensorBoard."""

    def __init__(self, folder: RunFolder, resumed_at: int | None) -> None:
        self.folder = folder
        if resumed_at is not None:
            folder.cut_log(resumed_at)
        self.first_step = 0 if resumed_at is None else resumed_at + 1  # what is written there the next process purges
        self._events = EventFile(folder.tensorboard, self.first_step)
        self.flush = self._events.flush
        self._described: set[tuple[str, Kind]] = set()

    def write(self, step: int, row: dict[str, float]) -> None:
        """One row to the log and TensorBoard; after an OSError nowhere."""
        append_row(self.folder.log, {"step": step, "time": round(time.time(), 3), **row})
        self.scalars(row, step)

    def scalars(self, row: Mapping[str, float], step: int) -> None:
        """One point of each curve, by tag, to TensorBoard only."""
        self._summary(Summary(value=[self._value(tag, "scalar", simple_value=row[tag]) for tag in row]), step)

    def picture(self, tag: str, svg: str, step: int) -> None:
        """An SVG of the size of all pictures, as a PNG."""
        image = Summary.Image(width=SIZE[0], height=SIZE[1], colorspace=4, encoded_image_string=to_png(svg, 1))
        self._summary(Summary(value=[self._value(tag, "picture", image=image)]), step)

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Text as Markdown."""
        metadata = self._metadata(tag, "text")
        self._summary(text_pb(tag, markdown, metadata.summary_description if metadata else None), step)

    def histogram(self, tag: str, values: Tensor, step: int) -> None:
        """The distribution of at most `_VALUES` of `values`, at equal distances; only finite ones count."""
        some = values.flatten()[:: max(1, -(-values.numel() // _VALUES))].double().cpu().numpy()
        finite = some[np.isfinite(some)]
        if finite.size:
            histogram = make_histogram(finite, "auto" if finite.size < 100 else 60)  # type: ignore[no-untyped-call]
            self._summary(Summary(value=[self._value(tag, "histogram", histo=histogram)]), step)

    def layout(self, layout: Mapping[str, Mapping[str, list[Any]]]) -> None:
        """The custom-scalars dashboard: `{group: {chart: ["Multiline", [tag pattern, ...]]}}`."""
        self._summary(custom_scalars(layout), self.first_step)  # type: ignore[no-untyped-call]

    def _value(self, tag: str, kind: Kind, **content: Any) -> Any:
        return Summary.Value(tag=tag, metadata=self._metadata(tag, kind), **content)

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

    def _summary(self, summary: Any, step: int) -> None:
        self._events.add(step, summary=summary)


def match_tags(match: Mapping[str, Any]) -> dict[str, float]:
    """The score and the Elo of a line of matches.jsonl, by tag; an infinite Elo is left out."""
    keys = ("score", "elo", "elo_low", "elo_high")
    return {f"evaluation/{key}": match[key] for key in keys if match[key] is not None}
