"""The figures by which a run is judged, each computed here and nowhere else: over the latest games, over the latest
rows of the log for what the network learns, and over positions being trained for how well they are masked."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules
from agent.networks.network import Network, expected_score
from agent.networks.policy import MaskedPolicy
from agent.rules import Termination
from selfplay.record import GameRecord
from training.evaluation.audit import OURS, Audit
from training.replay import Batch

AHEAD: Final = 5  # pawns' worth (1, 3, 3, 5, 9) from which on a side is far ahead: a rook
HELD: Final = 4  # last positions over which it must be ahead: two moves of each side, so that no trade under way counts
UNIQUE_PLIES: Final = 8  # plies of play after which positions are compared
LEAST_OPEN: Final = 0.01  # nats between a constant and a perfect value below which `value_gain` is not taken
SPREAD_POSITIONS: Final = 8  # positions of a batch whose some 250 successors are valued: a fraction of a learning step
AUDITED: Final = 16  # positions of a batch whose mass on illegal moves is taken


class RecentGame(NamedTuple):
    """What is kept of a game, T plies long after its opening: all but its positions."""

    standard: bool  # whether it began from the standard start of chess
    given: int  # plies of its opening
    moves: NDArray[np.uint16]  # [given + T] all its moves, as vocabulary indices seen from the side to move
    values: NDArray[np.float32]  # [T] before these moves, -1..1 for the side to move
    scores: NDArray[np.int8]  # [T] the result for that side: 1, 0 or -1
    outcome: int  # 1 White won, 0 drawn or ended by the ply cap, -1 Black won
    termination: Termination
    mated_ahead: bool | None  # whether the side that was far ahead to the end mated; None: neither was
    opening_key: int  # hash of the position after `UNIQUE_PLIES` plies of play, or of the last of a shorter game

    @classmethod
    def of(cls, record: GameRecord) -> "RecentGame":
        """What is kept of `record`."""
        ahead = side_ahead(record)
        mated = record.termination == Termination.CHECKMATE and record.outcome == ahead
        return cls(
            standard=bool(np.array_equal(record.start, rules.start(1)[0])),
            given=len(record.opening),
            moves=np.concatenate([record.opening, record.moves]),
            values=record.values,
            scores=np.where(rules.is_black(record.positions), -record.outcome, record.outcome).astype(np.int8),
            outcome=record.outcome,
            termination=record.termination,
            mated_ahead=mated if ahead else None,
            opening_key=int(rules.keys(record.positions[: UNIQUE_PLIES + 1][-1:])[0]),
        )


def side_ahead(record: GameRecord) -> int:
    """The side that was far ahead over the last `HELD` positions and at the end: 1 White, -1 Black, 0 none."""
    last = record.positions[-HELD:]
    balances = np.append(rules.material(last) * np.where(rules.is_black(last), -1, 1), record.balance)
    return int(balances.min() >= AHEAD) - int(balances.max() <= -AHEAD)


class RecentGames:
    """The latest `count` games, and the newest whole records: one that was won and one that was not."""

    def __init__(self, count: int) -> None:
        self.games: deque[RecentGame] = deque(maxlen=count)
        self._newest: dict[bool, GameRecord] = {}  # by whether it was won

    def add(self, record: GameRecord) -> None:
        """Take a game in; the oldest goes."""
        self.games.append(RecentGame.of(record))
        self._newest[record.outcome != 0] = record

    @property
    def samples(self) -> list[GameRecord]:
        """At most two whole games to show, the one that was won first."""
        return [self._newest[won] for won in (True, False) if won in self._newest]

    def figures(self, least: int) -> dict[str, float]:
        """The guard's figures that `least` games or more support."""
        games, found = self.games, {}
        if len(games) >= least:
            found["decisive"] = sum(game.outcome != 0 for game in games) / len(games)
            found["truncated"] = sum(game.termination == Termination.TRUNCATED for game in games) / len(games)
            found["unique_openings"] = len({game.opening_key for game in games}) / len(games)
        # Games with a lead are fewer, and a tenth of the evidence still gives the share to a few percent.
        ahead = [game.mated_ahead for game in games if game.mated_ahead is not None]
        if len(ahead) >= max(least // 10, 1):
            found["mate_rate_ahead"] = sum(ahead) / len(ahead)
        return found

    def row(self) -> dict[str, float]:
        """Length, results and terminations by tag; empty before the first game."""
        total = len(self.games)
        if not total:
            return {}
        outcomes = Counter(game.outcome for game in self.games)
        ends = Counter(game.termination for game in self.games)
        reasons = [reason for reason in Termination if reason != Termination.NONE]
        return {
            "selfplay/length": sum(len(game.values) for game in self.games) / total,
            "selfplay/white_wins": outcomes[1] / total,
            "selfplay/draws": outcomes[0] / total,
            "selfplay/black_wins": outcomes[-1] / total,
            **{f"selfplay/termination/{reason.name.lower()}": ends[reason] / total for reason in reasons},
        }

    def values_and_scores(self) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Values [N] of all plies, and results [N]."""
        values = np.concatenate([game.values for game in self.games])
        return values, np.concatenate([game.scores for game in self.games])


class _Row(NamedTuple):
    """What was learned between two rows of the log."""

    loss: float  # cross-entropy of the value with its targets, nats
    targets: NDArray[np.float64]  # [3] mean target
    target_entropy: float  # mean entropy of the targets, which no value's loss gets below
    entropy: float  # of the policy
    spread: float | None


class RecentRows:
    """What was learned in the latest `count` rows of the log."""

    def __init__(self, count: int) -> None:
        self._rows: deque[_Row] = deque(maxlen=count)
        self._batches: list[NDArray[np.float64]] = []  # [4] mean target and mean entropy of each since the last row

    def batch(self, batch: Batch) -> None:
        """The learner trained on this batch."""
        targets = batch.wdl.astype(np.float64)
        self._batches.append(np.append(targets.mean(0), _entropies(targets).mean()))

    def add(self, means: dict[str, float], spread: float | None) -> None:
        """A row: means over its batches by tag, and the spread of values, None if it was not taken."""
        *targets, entropy = np.mean(self._batches or np.zeros((1, 4)), axis=0)
        self._rows.append(_Row(means["loss/value"], np.array(targets), entropy, means["policy/entropy"], spread))
        self._batches = []

    def figures(self, least: int) -> dict[str, float]:
        """The guard's figures that `least` rows or more support."""
        rows, found = self._rows, {}
        spreads = [row.spread for row in rows if row.spread is not None]
        if len(spreads) >= least:
            found["value_spread"] = float(np.mean(spreads))
        if len(rows) < least:
            return found
        found["entropy"] = float(np.mean([row.entropy for row in rows]))
        # The best constant prediction is the mean target. Identical targets leave nothing to explain.
        constant = float(_entropies(np.mean([row.targets for row in rows], axis=0)))
        unexplained = constant - float(np.mean([row.target_entropy for row in rows]))
        if unexplained > LEAST_OPEN:
            found["value_gain"] = (constant - float(np.mean([row.loss for row in rows]))) / unexplained
        return found


def value_spread(network: Network, positions: NDArray[np.uint64]) -> float | None:
    """Mean standard deviation of expected scores, 0 to 1, over the legal successors of each position. A value can be
    right on average and blind where it matters: it learns which side stands better, which is nearly the same for all
    successors, and not which move keeps it so. Values of games do not show that, for search has mixed mates into them.
    The first `SPREAD_POSITIONS` of packed positions uint64 [B, WORDS] are used; the network's mode is restored. None if
    no position has two successors from which the game goes on."""
    positions = positions[:SPREAD_POSITIONS]
    indices, counts = rules.legal_moves(positions)
    owners = np.repeat(np.arange(len(positions)), counts)
    successors = positions[owners]
    rules.play(successors, indices[np.arange(indices.shape[1]) < counts[:, None]])
    going_on = rules.count_moves(successors) > 0
    owners, successors = owners[going_on], successors[going_on]
    if not len(owners):
        return None
    with _evaluated(network):
        scores = expected_score(network.predict(successors).value_logits).double().cpu().numpy()
    spreads = [scores[owners == owner].std() for owner in np.unique(owners) if (owners == owner).sum() > 1]
    return float(np.mean(spreads)) if spreads else None


def dense_logits(network: Network, positions: NDArray[np.uint64]) -> Tensor:
    """[B, 1880] logits of packed positions uint64 [B, WORDS], float32 on the CPU; the network's mode is restored."""
    with _evaluated(network):
        return network.dense(positions)[0].float().cpu()


def policy_now(network: Network, positions: NDArray[np.uint64]) -> NDArray[np.float32]:
    """[B, 1880] masked policy of the network."""
    legal = torch.from_numpy(rules.legal_bits(positions))
    return np.asarray(MaskedPolicy(dense_logits(network, positions), legal).probabilities)


def leak_row(network: Network, positions: NDArray[np.uint64]) -> dict[str, float]:
    """The live audit, by tag: the mass that ways of masking put on illegal moves, largest and mean over the first
    `AUDITED` positions."""
    positions, audit = positions[:AUDITED], Audit()
    audit.add(dense_logits(network, positions), positions)
    masses = audit.to_json()
    names = (f"{way}_{which}" for way in (OURS, "multiplied", "unmasked") for which in ("max", "mean"))
    return {f"leak/{name}": masses[name] for name in names}


@contextmanager
def _evaluated(network: Network) -> Iterator[None]:
    """The network in evaluation mode and without gradients; then in the mode it had."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def _entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """In nats, over the last axis."""
    return np.asarray(torch.special.entr(torch.from_numpy(probabilities)).sum(-1))
