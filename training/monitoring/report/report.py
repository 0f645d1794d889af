"""`zeromass report`: a run as one HTML file that needs nothing else."""

import base64
import json
import time
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any, Final

from agent.files import check_output, save
from training.durability.run_folder import RunFolder, read_rows
from training.evaluation.ladder.standings import Standing
from training.monitoring.about import described
from training.monitoring.health import judge, series
from training.monitoring.metrics import match_tags
from training.monitoring.pictures.ladder import picture_of_ladder, read_standings
from training.monitoring.report.curves import chart
from training.monitoring.report.games import game_board, piece_symbols, saved_games
from training.monitoring.tags.layout import charts
from training.monitoring.tags.tags import TAGS, find_tag, number
from training.settings import Settings


class Html(str):
    """Text that is HTML already."""


_PICTURES: Final = ("games/openings", "games/heat_map", "games/calibration")


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
    """The page as HTML, style and script included; its content policy forbids every request."""
    rows, matches = read_rows(folder.log), read_rows(folder.matches)
    health = judge(rows)
    name = escape(folder.path.name)
    body = [
        piece_symbols(),
        f"<h1>{name}</h1>",
        f'<p class="verdict {health.verdict.split()[0].rstrip(":")}">{escape(health.verdict)}</p>',
        *(f'<p class="soft">Do: {escape(found.cause.suggestion)}.</p>' for found in health.findings[:1]),
        _part("figures", lambda: _tiles(folder, rows)),
        _part("curves", lambda: _curves([*rows, *({"step": row["step"], **match_tags(row)} for row in matches)])),
        _part("ladder", lambda: _ladder(read_standings(folder.path))),
        _part("matches", lambda: _matches(matches)),
        _part("games", lambda: _games(folder)),
        _part("pictures", lambda: _pictures(folder)),
        _settings(folder.settings([])),
        f'<p class="soft">Made by zeromass report on {time.strftime("%Y-%m-%d %H:%M")}.</p>',
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    style, script = ((Path(__file__).parent / file).read_text() for file in ("report.css", "report.js"))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>ZeroMass: {name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><main>{''.join(body)}</main><script>{script}</script></body></html>\n"
    )


def _part(what: str, make: Callable[[], str]) -> str:
    """A part of the page. What a damaged file costs is said in its place; the rest of the page is made all the same."""
    try:
        return make()
    except Exception as error:
        reason = escape(f"{type(error).__name__}: {error}"[:200])
        return f'<p class="soft">The {what} are missing: a file in the run folder is damaged ({reason}).</p>'


def _table(head: str, rows: Iterable[Iterable[object]]) -> str:
    """A table; `head` names the columns, separated by `|`, or is empty. Cells are escaped unless they are `Html`."""
    titles = "".join(f"<th>{title}</th>" for title in head.split("|")) if head else ""
    body = "".join(
        "<tr>" + "".join(f"<td>{cell if isinstance(cell, Html) else escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{titles}</tr>{body}</table></div>'


def _tiles(folder: RunFolder, rows: list[dict[str, Any]]) -> str:
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
    shown = "".join(f"<div><b>{value}</b><span>{what}</span></div>" for what, value in tiles.items())
    return f'<div class="tiles">{shown}</div>'


def _curves(rows: list[dict[str, Any]]) -> str:
    parts = []
    for group, titles in charts(sorted({name for row in rows for name in row})).items():
        drawn = []
        for title, names in titles.items():
            lines = {name: points for name in names if (points := series(rows, name))}
            if lines:
                drawn.append(chart(title, lines, {name: find_tag(name) for name in lines}))
        if drawn:
            parts.append(f'<h2>{escape(group)}</h2><div class="charts">{"".join(drawn)}</div>')
    return "".join(parts)


def _ladder(standings: list[Standing]) -> str:
    if not standings:
        return ""
    cells = []
    for row in standings:
        minutes = "" if row.minutes is None else number(row.minutes)
        cells.append((row.player, f"{row.elo:.0f}", f"{row.elo_low:.0f} to {row.elo_high:.0f}", row.games, minutes))
    table = _table("player|Elo|95 % interval|games|minutes trained", cells)
    return f'<h2>Ladder</h2><figure class="paper">{picture_of_ladder({"": standings})}</figure>{table}'


def _matches(matches: list[dict[str, Any]]) -> str:
    cells = []
    for row in matches:
        counts = f"+{row['wins']} ={row['draws']} -{row['losses']}"
        cells.append((row["when"], row["step"], row["opponent"], f"{100 * row['score']:.1f} %", counts))
    return f"<h2>Matches</h2>{_table('when|step|opponent|score|wins, draws, losses', cells)}" if matches else ""


def _games(folder: RunFolder) -> str:
    boards = "".join(game_board(game) for game in saved_games(folder.games))
    return f'<h2>Sample games</h2><div class="games">{boards}</div>' if boards else ""


def _pictures(folder: RunFolder) -> str:
    """The newest pictures in the event files, and the versions that made them."""
    if not folder.tensorboard.is_dir():
        return ""
    from tensorboard.backend.event_processing import event_accumulator  # takes a second

    sizes = dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 1)
    events = event_accumulator.EventAccumulator(str(folder.tensorboard), size_guidance=sizes)
    events.Reload()
    parts = []
    for tag in _PICTURES:
        if tag in events.Tags()["images"]:
            newest = events.Images(tag)[-1]
            data = base64.b64encode(newest.encoded_image_string).decode()
            caption = escape(f"{TAGS[tag].meaning} (step {newest.step:,})", quote=True)
            image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
            parts.append(f'<figure class="paper">{image}<figcaption>{caption}</figcaption></figure>')
    pictures = f'<h2>Pictures</h2><div class="games">{"".join(parts)}</div>' if parts else ""
    if "run/versions" not in events.Tags()["tensors"]:
        return pictures
    text = events.Tensors("run/versions")[-1].tensor_proto.string_val[0].decode()
    return f"{pictures}<h2>Versions</h2>{_table('', (line.strip('| ').split(' | ') for line in text.splitlines()[2:]))}"


def _settings(settings: Settings) -> str:
    rows = []
    for name, value, changed, meaning in described(settings):
        shown = escape(str(value))
        rows.append((Html(f"<code>{name}</code>"), Html(f"<b>{shown}</b>" if changed else shown), meaning))
    return f"<h2>Settings</h2><details open><summary>bold: not the default</summary>{_table('', rows)}</details>"
