"""The replay buffer together with its games on disk. A checkpoint holds no games, only where the window begins and
which game was the last. The games are in the replay store, written once. A restored window is the same, ply for ply;
games that became durable after the checkpoint follow."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from selfplay.actor import GameBatch
from selfplay.record import GameRecord
from training.attachment import Attachment
from training.durability.disk import DiskPatience
from training.durability.replay_store import ReplayStore, StoredGame
from training.replay import ReplayBuffer
from training.settings import LearnerSettings
from training.targets import Targets, targets_by

if TYPE_CHECKING:
    from training.loop import TrainingLoop

SYNC_GAMES: Final = 256  # most games that wait before they are made durable
HELD_OUT: Final = 20  # a recorded game in so many, by id, is kept for judging networks: none learns from it
SYNC_SECONDS: Final = 1.0  # longest time from a game's arrival to its acknowledgement, while the learner does not step


class _Bound(NamedTuple):
    """Where a game begins in the ring buffers."""

    number: int
    added: int
    entries_added: int


class Window:
    """See the module. `replay` is filled only through this object; `folder` is that of the replay store."""

    def __init__(self, replay: ReplayBuffer, folder: Path) -> None:
        self.replay = replay
        self.store = ReplayStore(folder)
        self._bounds: deque[_Bound] = deque()

    def add(self, record: GameRecord, target: Targets, stream: int) -> bool:
        """Add a game, durable after the next `store.sync`; False if it is there already."""
        number = self.replay.games
        if not self._add(record, target):
            return False
        self.store.append(StoredGame(number, stream, record, target))
        return True

    def state(self) -> dict[str, int]:
        """Where the window begins and ends, for a checkpoint."""
        number, added, entries = self._bounds[0] if self._bounds else self._end()
        return {**self._end()._asdict(), "first": number, "first_added": added, "first_entries": entries}

    def restore(self, state: dict[str, int], say: Callable[[str], None]) -> Iterator[StoredGame]:
        """Fill the replay buffer; yields games that became durable after the checkpoint, already added. `say` gets a
        sentence about each damaged place."""
        self.replay.start_at(state["first_added"], state["first"], state["first_entries"])
        for found in self.store.read(state["first"]):
            if isinstance(found, str):
                say(found)
            elif self._add(found.record, found.targets, found.number) and found.number >= state["number"]:
                yield found
        self.replay.games = max(self.replay.games, state["number"])

    def fill(
        self, folder: Path, learner: LearnerSettings, say: Callable[[str], None], *, held: bool = False
    ) -> Iterator[GameRecord]:
        """Fill the replay buffer with the games of another run's replay store in `folder`, which stays as it is; yields
        them. Value targets are made anew as `learner` says. One game in `HELD_OUT` is left there; with `held` only
        these come."""
        for found in ReplayStore(folder).read(0):
            if isinstance(found, str):
                say(found)
            elif (int(found.record.game, 16) % HELD_OUT == 0) == held and self.replay.add(
                found.record, targets_by(learner, found.record)
            ):
                yield found.record

    def _add(self, record: GameRecord, target: Targets, number: int | None = None) -> bool:
        if number is not None:  # damage may have left a gap
            self.replay.games = max(self.replay.games, number)
        bound = self._end()
        if not self.replay.add(record, target):
            return False
        self._bounds.append(bound)
        while len(self._bounds) > 1 and self._bounds[1].added <= self.replay.oldest:
            self._bounds.popleft()
        return True

    def _end(self) -> _Bound:
        return _Bound(self.replay.games, self.replay.added, self.replay.entries_added)


class Acknowledgement(Attachment):
    """Makes the games that arrived durable, many at a time: after that no kill loses them."""

    def __init__(self, disk: DiskPatience) -> None:
        self._disk = disk
        self._last = time.monotonic()

    def collected(self, loop: "TrainingLoop", batches: Sequence[GameBatch]) -> None:
        """See `Attachment`."""
        waiting = len(loop.window.store.waiting)
        if waiting and (waiting >= SYNC_GAMES or time.monotonic() - self._last > SYNC_SECONDS):
            self._disk.room()
            self._disk.writing(loop.window.store.sync)
            self._last = time.monotonic()
