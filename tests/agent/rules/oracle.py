"""The rules compared with python-chess, which shares no code with them."""

from collections.abc import Iterable, Sequence
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.rules import Games, Termination
from agent.rules.movegen import in_check


def expected_moves(board: chess.Board) -> list[int]:
    """Ascending vocabulary indices of python-chess's legal moves."""
    return sorted(vocabulary.from_uci(move.uci(), black=not board.turn) for move in board.legal_moves)


def push(board: chess.Board, index: int) -> chess.Move:
    """Play the move of a vocabulary index, which must be legal by python-chess."""
    move = chess.Move.from_uci(vocabulary.to_uci(int(index), black=not board.turn))
    assert move in board.legal_moves
    board.push(move)
    return move


def after(board: chess.Board, line: Iterable[int]) -> chess.Board:
    """A board after `line`, of which each move must be legal by python-chess."""
    end = board.copy()
    for index in line:
        push(end, index)
    return end


def expected_termination(board: chess.Board) -> Termination:
    outcome = board.outcome(claim_draw=False)
    return Termination.NONE if outcome is None else Termination[outcome.termination.name]


def expected_claim(board: chess.Board, automatic: Termination) -> Termination:
    """What ends the game once draws on the board are claimed, given what ends it without."""
    if automatic is Termination.NONE and board.is_fifty_moves():
        return Termination.FIFTY_MOVES
    if automatic is Termination.NONE and board.is_repetition(3):
        return Termination.THREEFOLD_REPETITION
    return automatic


def identity(board: chess.Board) -> tuple[object, ...]:
    """Equal for boards that are alike in all that the rules know."""
    pieces = [board.pieces_mask(kind, color) for kind in chess.PIECE_TYPES for color in chess.COLORS]
    return (*pieces, board.turn, board.castling_rights, board.ep_square, board.halfmove_clock, board.fullmove_number)


def expected_repetitions(board: chess.Board) -> int:
    return max([count for count in range(1, 5) if board.is_repetition(count + 1)], default=0)


def expected_material(board: chess.Board) -> int:
    own, other = ([len(board.pieces(kind, color)) for kind in range(1, 6)] for color in (board.turn, not board.turn))
    return sum(value * (ours - theirs) for value, ours, theirs in zip((1, 3, 3, 5, 9), own, other, strict=True))


def differences(boards: Sequence[chess.Board], positions: NDArray[np.uint64], *, history: bool = True) -> list[str]:
    """Where packed positions [B, WORDS] and boards differ: FEN, moves, checks, material, outcome, repetitions.

    Without `history` the positions are taken to know of no earlier ones."""
    found = []
    indices, counts = rules.legal_moves(positions)
    material, black = rules.material(positions), rules.is_black(positions)
    plain = rules.outcome(positions, claim_draws=False)
    claimed = rules.outcome(positions, claim_draws=True)
    occurred = (positions[:, 7] >> np.uint64(16)) & np.uint64(0xFF)
    for row, board in enumerate(boards):
        bare = board if history or not board.move_stack else board.copy(stack=False)
        automatic = expected_termination(bare)
        for name, ours, theirs in (
            ("fen", rules.to_fen(positions[row]), board.fen()),
            ("moves", indices[row, : counts[row]].tolist(), expected_moves(board)),
            ("check", in_check(positions[row]), board.is_check()),
            ("material", int(material[row]), expected_material(board)),
            ("black", bool(black[row]), not board.turn),
            ("outcome", Termination(int(plain[row])), automatic),
            ("claimed outcome", Termination(int(claimed[row])), expected_claim(bare, automatic)),
            ("repetitions", int(occurred[row]), expected_repetitions(bare)),
        ):
            if ours != theirs:
                found.append(f"{board.fen()}: {name} {ours}, python-chess {theirs}")
    return found


def tree_differences(fen: str, depth: int) -> tuple[int, list[str]]:
    """Compare all different positions to `depth` plies below a FEN: (positions compared, differences)."""
    boards, games = [chess.Board(fen)], Games(1)
    games.reset(positions=rules.from_fen(fen)[None])
    compared, found = 0, []
    for level in range(depth + 1):
        compared += len(boards)
        found += differences(boards, games.positions, history=False)
        if found or level == depth:
            break
        positions, moves, offsets = games.successors()
        children, kept = [], []
        seen: set[tuple[object, ...]] = set()
        for row, board in enumerate(boards):
            for child in range(offsets[row], offsets[row + 1]):
                uci = vocabulary.to_uci(int(moves[child]), black=not board.turn)
                below = board.copy(stack=False)
                below.push_uci(uci)  # refuses what python-chess does not find legal
                if identity(below) not in seen:
                    seen.add(identity(below))
                    below.clear_stack()
                    children.append(below)
                    kept.append(child)
        if not children:
            break
        boards, games = children, Games(len(children))
        games.reset(positions=positions[kept])
    return compared, found


STYLES: Final = ("random", "captures", "shuffles")
"""Ways to choose moves: uniformly; captures and promotions first; back and forth, for repetitions and clocks."""


def choose(board: chess.Board, style: str, rng: np.random.Generator) -> chess.Move:
    moves = list(board.legal_moves)
    preferred: list[chess.Move] = []
    if style == "captures":
        preferred = [move for move in moves if board.is_capture(move) or move.promotion]
    elif style == "shuffles" and rng.random() < 0.9:
        if len(board.move_stack) > 1:
            last = board.move_stack[-2]
            preferred = [move for move in moves if move == chess.Move(last.to_square, last.from_square)]
        preferred = preferred or [move for move in moves if not board.is_zeroing(move)]
    if preferred and rng.random() < 0.8:
        moves = preferred
    return moves[int(rng.integers(len(moves)))]


def game_differences(positions: int, style: str, seed: int) -> tuple[int, set[Termination], list[str]]:
    """Play games side by side: (positions compared, terminations seen, differences)."""
    rng, batch = np.random.default_rng(seed), 64
    boards, games = [chess.Board() for _ in range(batch)], Games(batch)
    compared, seen, found = 0, set[Termination](), list[str]()
    while compared < positions and not found:
        found = differences(boards, games.positions)
        compared += batch
        seen.update(Termination(int(code)) for claim in (False, True) for code in games.outcome(claim))
        over = [row for row, board in enumerate(boards) if board.outcome() or board.ply() > 500]
        games.reset(over)
        for row in over:
            boards[row] = chess.Board()
        chosen = [choose(board, style, rng).uci() for board in boards]
        games.play([vocabulary.from_uci(uci, black=not board.turn) for uci, board in zip(chosen, boards, strict=True)])
        for uci, board in zip(chosen, boards, strict=True):
            board.push_uci(uci)
    return compared, seen, found
