"""What is logged: TensorBoard and log.jsonl written side by side; `training.monitoring.tags` says what each means.

x is always the learner step. On resume both files are cut at the checkpoint's step, so a curve has no overlap,
and everything up to a checkpoint is flushed before the checkpoint is written, so it has no gap.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.networks.meter import MassReading
from agent.rules import Termination
from selfplay.actor import GameBatch
from training.durability.run_folder import RunFolder
from training.evaluation.match import MatchResult
from training.monitoring.events import Events


@dataclass
class GameTally:
    """Sums over the games that arrived since the last row."""

    games: int = 0
    plies: int = 0
    length: int = 0
    entropy: float = 0.0
    lag: float = 0.0
    batches: int = 0
    outcomes: dict[int, int] = field(default_factory=dict)
    terminations: dict[Termination, int] = field(default_factory=dict)

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

    def row(self) -> dict[str, float]:
        """Values by tag; shares only if a game ended."""
        row = {}
        if self.plies:
            row["selfplay/entropy"] = self.entropy / self.plies
            row["system/version_lag"] = self.lag / self.batches
        if self.games:
            row["selfplay/length"] = self.length / self.games
            row["selfplay/decisive"] = 1 - self.outcomes.get(0, 0) / self.games
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
        self.events = Events(folder.tensorboard, resumed_at)

    def write(self, step: int, row: dict[str, float]) -> None:
        """One row at learner step `step`.

        Raises:
            KeyError: a tag is not documented.
        """
        self.write_scalars(step, row)
        self._folder.append_log({"step": step, "time": round(time.time(), 3), **row})

    def write_scalars(self, step: int, row: dict[str, float]) -> None:
        """To TensorBoard only.

        Raises:
            KeyError: a tag is not documented.
        """
        self.events.scalars(row, step)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self.events.flush()

    def close(self) -> None:
        """Flush and close."""
        self.events.close()


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
