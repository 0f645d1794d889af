"""The openings of recent games as a tree."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import chess

from agent import drawing, vocabulary
from training.monitoring.figures import RecentGame
from training.monitoring.pictures.frame import SIZE, picture

DEPTH: Final = 5
_LEFT, _TOP, _WIDTH, _HEIGHT = 14, 62, 1212, 486
_ENOUGH: Final = 20  # from so many games without given plies on, the tree shows only these
_LEAST: Final = 13  # pixels: lower boxes are drawn together as one


@dataclass
class Node:
    """A move and the games that went through it."""

    games: int = 0
    score: float = 0.0  # sum of 1, 0 and -1 for White
    children: dict[int, "Node"] = field(default_factory=dict)  # by vocabulary index, seen from the side to move


def opening_tree(games: Sequence[RecentGame], depth: int = DEPTH) -> Node:
    """The first `depth` plies of the games that began from the standard start."""
    root = Node()
    for game in (game for game in games if game.standard):
        path = [root]
        for move in game.moves[:depth].tolist():
            path.append(path[-1].children.setdefault(move, Node()))
        for node in path:
            node.games += 1
            node.score += game.outcome
    return root


def picture_of_openings(games: Sequence[RecentGame]) -> str:
    """SVG of the tree, empty where no game began from the standard start: columns are plies, heights count games,
    colour is White's score."""
    own = [game for game in games if game.standard and game.given == 0]
    given = "without given plies" if len(own) >= _ENOUGH else "given plies included"
    root = opening_tree(own if len(own) >= _ENOUGH else games)
    parts: list[str] = []
    for place, words in enumerate(("Black wins", "even", "White wins")):
        x = SIZE[0] - 330 + 110 * place
        parts.append(drawing.rectangle(x, 42, 14, 12, colour(place - 1.0)))
        parts.append(drawing.text(x + 20, 52, words, 12, fill=drawing.PALE))
    _draw(root, chess.Board(), 0, _TOP, _HEIGHT / max(root.games, 1), parts)
    return picture(f"Openings of {root.games:,} of the last {len(games):,} games, {given}", parts)


def colour(score: float) -> str:
    """From red (-1, Black) over grey (0) to green (1, White)."""
    winner, share = (209, 36, 47) if score < 0 else (26, 127, 55), min(abs(score), 1.0) ** 0.7
    return "#" + "".join(f"{round(200 + (part - 200) * share):02x}" for part in winner)


def _draw(node: Node, board: chess.Board, depth: int, y: float, scale: float, parts: list[str]) -> None:
    """Append the children of `node` from `y` down, the most frequent first."""
    width = _WIDTH / DEPTH
    x = _LEFT + width * depth
    rest = 0
    for move, child in sorted(node.children.items(), key=lambda item: -item[1].games):
        height = scale * child.games
        if height < _LEAST:
            rest += child.games
            continue
        uci = chess.Move.from_uci(vocabulary.to_uci(move, black=board.turn == chess.BLACK))
        number = f"{board.fullmove_number}." if board.turn == chess.WHITE else ""
        label = f"{number}{board.san(uci)}  {child.games}"
        fill = colour(child.score / child.games)
        parts.append(drawing.rectangle(x, y, width - 2, height - 1.5, fill, 'rx="3"'))
        size = min(15.0, height - 1)
        parts.append(drawing.text(x + 8, y + height / 2 + size / 3, label, size, fill="white"))
        board.push(uci)
        _draw(child, board, depth + 1, y, scale, parts)
        board.pop()
        y += height
    if rest and scale * rest > 3:
        parts.append(drawing.rectangle(x, y, width - 2, scale * rest - 1.5, "#eaeef2", 'rx="3"'))
        if scale * rest > _LEAST:
            words = f"{rest} in rarer moves"
            parts.append(drawing.text(x + 8, y + scale * rest / 2 + 4, words, 12, fill=drawing.PALE))
