"""What is logged: every tag with its meaning, TensorBoard and log.jsonl written side by side.

x is always the learner step. On resume both files are cut at the checkpoint's step, so a curve has no overlap,
and everything up to a checkpoint is flushed before the checkpoint is written, so it has no gap.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from torch.utils.tensorboard import SummaryWriter

from agent.meter import MassReading
from agent.rules import Termination
from selfplay.actor import GameBatch
from training.conversion import ENDINGS
from training.guard import WATCHES
from training.match import MatchResult
from training.run_folder import RunFolder

TAGS: Final[dict[str, str]] = {
    "loss/total": "what is minimised: policy + value - entropy bonus, weighted",
    "loss/policy": "PPO's clipped surrogate, negated; with search the cross-entropy with the improved policies",
    "loss/value": "cross-entropy of win/draw/loss in nats; a constant predictor scores about 1.0",
    "loss/auxiliary": "squared error of material eight plies on (tens of pawns) and plies still to come (hundreds)",
    "policy/entropy": "of the policy being trained, in nats; 3.3 is uniform over 27 moves",
    "policy/target_entropy": "of the improved policies that are learned, in nats",
    "policy/kl": "from the target (what sampled, or what search improved) to the policy being trained, in nats",
    "policy/clipped": "share of plies whose importance ratio PPO clips",
    "policy/invalid_mass_max": "largest probability on illegal moves, sampled or trained; 0.0 or the run stops",
    "policy/invalid_mass_mean": "mean probability on illegal moves, sampled or trained",
    "policy/distributions_checked": "distributions that the two lines above have seen since the start",
    "selfplay/games_per_second": "finished games",
    "selfplay/positions_per_second": "plies played by the policy",
    "selfplay/length": "mean plies of finished games, opening not counted",
    "selfplay/entropy": "of the policy that was sampled, in nats",
    "selfplay/white_wins": "share of finished games",
    "selfplay/draws": "share of finished games, capped ones included",
    "selfplay/black_wins": "share of finished games",
    **{
        f"selfplay/termination/{reason.name.lower()}": "share of finished games that ended so"
        for reason in Termination
        if reason != Termination.NONE
    },
    "selfplay/resigned_wrongly": "of the games played on in which a side would have resigned: share it did not lose",
    "replay/size": "plies in the window",
    "replay/age": "versions between the newest weights and the mean ply in the window",
    "replay/reuse": "times a ply was trained on, on average since the start",
    "learner/learning_rate": "of the last step",
    "learner/gradient_norm": "before clipping",
    "learner/steps_per_second": "since the last row",
    "system/workers_alive": "actors",
    "system/restarts": "actors replaced since the start",
    "system/version_lag": "versions between the newest weights and those that played the plies that arrived",
    "guard/decisive": "share of the latest games that were won",
    "guard/capped": "share of the latest games that the ply cap ended",
    "guard/mate_rate_ahead": "of games in which a side was a rook or more ahead to the end, the share it ended by mate",
    "guard/value_gain": "share of what a constant value leaves open that the value explains; 0 a constant, 1 all",
    "guard/value_spread": "mean standard deviation of the value over a position's legal successors, in expected score",
    "guard/entropy": "policy/entropy over the latest rows, in nats",
    "guard/unique_openings": "share of distinct positions after eight plies of play among the latest games",
    "guard/alarm": "alarms that are on; docs/guard.md",
    **{f"guard/alarm/{name}": "1 while this alarm is on" for name in WATCHES},
    "evaluation/score": "share of points against the opponent of the settings, draws count half",
    "evaluation/elo": "difference to that opponent that makes the score the expectation; none at 0 and 1",
    "evaluation/elo_low": "lower end of its 95 % interval",
    "evaluation/elo_high": "upper end of its 95 % interval",
    "evaluation/seconds": "that a match during training took; they count as training",
    **{
        f"evaluation/conversion/{ending}": "share of won endings mated within 50 moves against a king that defends"
        for ending in ENDINGS
    },
}
"""Every tag with its meaning; nothing else is logged."""


@dataclass
class GameTally:
    """Sums over the games that arrived since the last row."""

    started: float = field(default_factory=time.monotonic)
    games: int = 0
    plies: int = 0
    length: int = 0
    entropy: float = 0.0
    lag: float = 0.0
    batches: int = 0
    outcomes: dict[int, int] = field(default_factory=dict)
    terminations: dict[Termination, int] = field(default_factory=dict)
    conceded: int = 0
    """Games played on though a side would have resigned,"""
    saved: int = 0
    """of which it did not lose so many."""

    def add(self, batch: GameBatch, version: int) -> None:
        """Count one batch that arrived while `version` was the newest."""
        self.batches += 1
        self.lag += version - batch.version
        self.plies += batch.statistics.plies
        self.entropy += batch.statistics.entropy_total
        for record in batch.records:
            self.games += 1
            self.length += record.plies
            self.outcomes[record.outcome] = self.outcomes.get(record.outcome, 0) + 1
            self.terminations[record.termination] = self.terminations.get(record.termination, 0) + 1
            if record.conceded and record.termination != Termination.RESIGNED:
                self.conceded += 1
                self.saved += record.outcome != -record.conceded

    @property
    def seconds(self) -> float:
        """Since the last row."""
        return max(time.monotonic() - self.started, 1e-9)

    def row(self) -> dict[str, float]:
        """Values by tag; shares only if a game ended."""
        row = {
            "selfplay/games_per_second": self.games / self.seconds,
            "selfplay/positions_per_second": self.plies / self.seconds,
        }
        if self.plies:
            row["selfplay/entropy"] = self.entropy / self.plies
            row["system/version_lag"] = self.lag / self.batches
        if self.conceded:
            row["selfplay/resigned_wrongly"] = self.saved / self.conceded
        if self.games:
            row["selfplay/length"] = self.length / self.games
            for outcome, tag in ((1, "white_wins"), (0, "draws"), (-1, "black_wins")):
                row[f"selfplay/{tag}"] = self.outcomes.get(outcome, 0) / self.games
            for reason in Termination:
                if reason != Termination.NONE:
                    share = self.terminations.get(reason, 0) / self.games
                    row[f"selfplay/termination/{reason.name.lower()}"] = share
        return row


class Metrics:
    """Writes rows to TensorBoard and log.jsonl.

    Args:
        folder: of the run.
        resumed_at: learner step of the checkpoint that the run goes on from; None for a new run.
    """

    def __init__(self, folder: RunFolder, resumed_at: int | None) -> None:
        self._folder = folder
        if resumed_at is not None:
            folder.cut_log(resumed_at)
        # TensorBoard drops what earlier event files hold from purge_step on.
        purge = None if resumed_at is None else resumed_at + 1
        self._writer = SummaryWriter(str(folder.tensorboard), purge_step=purge)

    def write(self, step: int, row: dict[str, float]) -> None:
        """One row at learner step `step`.

        Raises:
            KeyError: a tag is not documented in `TAGS`.
        """
        self.write_scalars(step, row)
        self._folder.append_log({"step": step, "time": round(time.time(), 3), **row})

    def write_scalars(self, step: int, row: dict[str, float]) -> None:
        """To TensorBoard only.

        Raises:
            KeyError: a tag is not documented in `TAGS`.
        """
        for tag, value in row.items():
            if tag not in TAGS:
                raise KeyError(f"tag {tag!r} is not documented")
            self._writer.add_scalar(tag, value, step)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


def mass_row(reading: MassReading, total: MassReading) -> dict[str, float]:
    """The invalid-mass tags of a row: since the last row, and how many were checked in all."""
    return {
        "policy/invalid_mass_max": reading.largest,
        "policy/invalid_mass_mean": reading.mean,
        "policy/distributions_checked": float(total.distributions),
    }


def match_row(result: MatchResult, conversion: Mapping[str, float], seconds: float) -> dict[str, float]:
    """The evaluation tags of a match, as far as there are values: an infinite Elo is none, nor are 0 seconds."""
    told = result.to_json()
    row = {f"evaluation/{key}": told[key] for key in ("score", "elo", "elo_low", "elo_high") if told[key] is not None}
    row |= {f"evaluation/conversion/{ending}": share for ending, share in conversion.items()}
    return row | ({"evaluation/seconds": seconds} if seconds else {})
