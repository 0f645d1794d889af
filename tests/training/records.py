"""Small game records for tests, by seed, and those of a generator."""

from collections.abc import Sequence

import numpy as np

from agent import rules
from agent.rules import Games, Termination
from selfplay.generator import Generator
from selfplay.record import GameRecord, RaggedPolicy
from training.evaluation.ladder.standings import Standing
from training.replay import Batch, ReplayBuffer
from training.targets import targets


def record(plies: int, *, seed: int = 0, version: int = 0, **changes: object) -> GameRecord:
    """A random game of `plies` plies with random values, drawn at the cap unless `changes` say otherwise."""
    generator = np.random.default_rng(seed)
    games = Games(1)
    positions, moves = [], []
    for _ in range(plies):
        indices, counts = rules.legal_moves(games.positions)
        positions.append(games.positions[0].copy())
        moves.append(int(indices[0, generator.integers(counts[0])]))
        games.play(np.array([moves[-1]], np.uint16))
    fields: dict[str, object] = {
        "game": generator.bytes(16).hex(),
        "seed": seed,
        "version": version,
        "versions": np.full(plies, version, np.int32),
        "start": rules.start(1)[0],
        "opening": np.zeros(0, np.uint16),
        "positions": np.stack(positions),
        "moves": np.array(moves, np.uint16),
        "log_probs": -generator.random(plies).astype(np.float32) * 3,
        "values": (generator.random(plies) * 2 - 1).astype(np.float32),
        "policies": RaggedPolicy.empty(plies),
        "outcome": 0,
        "termination": Termination.TRUNCATED,
        "balance": 0,
    }
    return GameRecord(**{**fields, **changes})  # type: ignore[arg-type]


def searched(plies: int, *, seed: int = 0, **changes: object) -> GameRecord:
    """A random game in which about two plies of three carry an improved policy over all their legal moves."""
    plain = record(plies, seed=seed)
    generator = np.random.default_rng(1000 + seed)
    indices, counts = rules.legal_moves(plain.positions)
    kept = counts * (generator.random(plies) < 0.67)
    offsets = np.zeros(plies + 1, np.int64)
    np.cumsum(kept, out=offsets[1:])
    rows = [indices[ply, :count] for ply, count in enumerate(kept)]
    policies = [generator.dirichlet(np.ones(count)) for count in kept if count]
    ragged = RaggedPolicy(offsets, np.concatenate(rows).astype(np.uint16), np.concatenate(policies).astype(np.float16))
    return record(plies, seed=seed, policies=ragged, **changes)  # type: ignore[arg-type]


def sampled(games: Sequence[GameRecord], size: int, *, entries_per_ply: int = 0, seed: int = 0) -> Batch:
    """So many plies of `games`, by chance."""
    replay = ReplayBuffer(400, entries_per_ply=entries_per_ply)
    for game in games:
        replay.add(game, targets(game, adjudication=0.5, gae_lambda=0.9))
    return replay.sample(size, np.random.default_rng(seed))


def finished(generator: Generator, count: int) -> list[GameRecord]:
    """Its games until at least `count` have ended."""
    records: list[GameRecord] = []
    while len(records) < count:
        records += generator.step()
    return records


def standing(player: str, elo: float, low: float, high: float, minutes: float | None) -> Standing:
    """A player of a ladder; minutes None: an anchor."""
    return Standing(player, elo, low, high, 10, 0.5, given=minutes is None, step=None, minutes=minutes, conversion={})
