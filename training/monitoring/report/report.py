"""`zeromass report`: a run as one HTML file that needs nothing else. The page is report.html, a template."""

import base64
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import chess.svg
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.files import check_output, save
from training.durability.run_folder import RunFolder, read_rows
from training.monitoring.about import described
from training.monitoring.health import judge, series
from training.monitoring.metrics import match_tags
from training.monitoring.pictures.ladder import picture_of_ladder, read_standings
from training.monitoring.report.curves import chart
from training.monitoring.report.games import saved_games
from training.monitoring.tags.layout import charts
from training.monitoring.tags.tags import TAGS, number

_HERE: Final = Path(__file__).parent
_PICTURES: Final = ("games/openings", "games/calibration")


def report_command(run: str, out: Path | None) -> int:
    """What `zeromass report` does; without `out` the file is report.html in the run folder. An InputError where there
    is no such run, or the file cannot be written."""
    folder = RunFolder.find(run)
    path = out or folder.path / "report.html"
    check_output(path)
    save(path, report_page(folder).encode(errors="replace"))
    print(f"{path}: one page, nothing else needed; open it in a browser or send it")
    return 0


def report_page(folder: RunFolder) -> str:
    """The page as HTML, style and script included; its content policy forbids every request and every other script."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    rows, matches, standings = read_rows(folder.log), read_rows(folder.matches), read_standings(folder.path)
    style, script = ((_HERE / file).read_text() for file in ("report.css", "report.js"))
    return environment.get_template("report.html").render(
        name=folder.path.name,
        health=judge(rows),
        part=_part,
        tiles=lambda: _tiles(folder, rows),
        curves=lambda: _curves([*rows, *({"step": row["step"], **match_tags(row)} for row in matches)]),
        standings=standings,
        ladder=lambda: Markup(picture_of_ladder({"": standings})),
        matches=matches,
        games=lambda: saved_games(folder.games),
        events=lambda: _events(folder),
        settings=described(folder.settings([])),
        made=time.strftime("%Y-%m-%d %H:%M"),
        symbols=Markup("".join(chess.svg.PIECES.values())),
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _part(what: str, caller: Callable[[], str]) -> str:
    """A part of the page. What a damaged file costs is said in its place; the rest of the page is made all the same."""
    try:
        return caller()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        missing = Markup('<p class="soft">The {} are missing: a file in the run folder is damaged ({}).</p>')
        return missing.format(what, reason)


def _tiles(folder: RunFolder, rows: list[dict[str, Any]]) -> dict[str, str]:
    tiles: dict[str, str] = {}
    if rows:
        tiles["learner steps"] = number(rows[-1]["step"])
        tiles["minutes between first and last row"] = number((rows[-1].get("time", 0) - rows[0].get("time", 0)) / 60)
        checked = series(rows, "policy/distributions_checked")
        tiles["distributions checked"] = number(checked[-1][1]) if checked else "0"
        masses = [value for _, value in series(rows, "policy/invalid_mass_max")]
        tiles["largest mass on illegal moves"] = str(max(masses, default=0.0))
    summary = folder.path / "summary.json"
    if summary.exists():
        found = json.loads(summary.read_text())
        tiles |= {"games": number(found["games"]), "plies": number(found["positions"])}
    return tiles


def _curves(rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The charts of each group that has any; values that are not finite are left out."""
    names = sorted({name for row in rows for name in row})
    lines = {name: [point for point in series(rows, name) if math.isfinite(point[1])] for name in names}
    for group, titles in charts([name for name in names if lines[name]]).items():
        if drawn := [chart(title, {name: lines[name] for name in shown}) for title, shown in titles.items() if shown]:
            yield group, drawn


def _events(folder: RunFolder) -> tuple[list[tuple[str, str]], list[list[str]]]:
    """The newest pictures in the event files as (caption, PNG in base64), and the versions that made them."""
    if not folder.tensorboard.is_dir():
        return [], []
    from tensorboard.backend.event_processing import event_accumulator  # takes a second

    sizes = dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 1)
    events = event_accumulator.EventAccumulator(str(folder.tensorboard), size_guidance=sizes)
    events.Reload()
    pictures, text = [], ""
    for tag in _PICTURES:
        if tag in events.Tags()["images"]:
            newest = events.Images(tag)[-1]
            data = base64.b64encode(newest.encoded_image_string).decode()
            pictures.append((f"{TAGS[tag].meaning} (step {newest.step:,})", data))
    if "run/versions" in events.Tags()["tensors"]:
        text = events.Tensors("run/versions")[-1].tensor_proto.string_val[0].decode()
    return pictures, [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
