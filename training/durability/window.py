"""The replay and its games on disk, as one: what is sampled from, and how it comes back after any end.

A checkpoint holds no games, only where the window begins and which game was the last. The games themselves are in the
replay store, written once. Restored, the window is what it was, ply for ply; games that became durable after
the checkpoint follow it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from selfplay.record import GameRecord
from training.durability.game_file import StoredGame
from training.durability.replay_store import ReplayStore
from training.replay import ReplayBuffer
from training.targets import Targets

SYNC_GAMES: Final = 256
"""Games that wait at most before they are made durable."""


class _Bound(NamedTuple):
    """Where a game begins in the replay's rings."""

    number: int
    added: int
    entries_added: int


class Window:
    """See the module.

    Args:
        replay: filled through this object alone.
        folder: of the replay store.
    """

    def __init__(self, replay: ReplayBuffer, folder: Path) -> None:
        self.replay = replay
        self.store = ReplayStore(folder)
        self._bounds: deque[_Bound] = deque()

    def add(self, record: GameRecord, target: Targets, stream: int) -> bool:
        """Take a game in; False (and nothing done) if it is here already. Durable after the next `sync`."""
        number = self.replay.games
        if not self._add(record, target):
            return False
        self.store.append(StoredGame(number, stream, record, target))
        return True

    def sync(self) -> int:
        """Make the games durable, see `ReplayStore.sync`."""
        return self.store.sync()

    def state(self) -> dict[str, int]:
        """Where the window begins and what was ever added, for a checkpoint."""
        oldest = self._bounds[0] if self._bounds else self._end()
        return {
            **self._end()._asdict(),
            "first": oldest.number,
            "first_added": oldest.added,
            "first_entries": oldest.entries_added,
        }

    def cut(self, state: dict[str, int]) -> None:
        """Drop games that became durable after the checkpoint of this state: they will be played again, as they were.

        Raises:
            OSError: for example a full disk; may be tried again.
        """
        self.store.cut(state["number"])

    def restore(self, state: dict[str, int], say: Callable[[str], None]) -> Iterator[StoredGame]:
        """Fill the replay again; yields games that became durable after the checkpoint, each already taken in.

        Args:
            state: of the checkpoint.
            say: gets a sentence for each piece of damage.
        """
        self.replay.start_at(state["first_added"], state["first"], state["first_entries"])
        for found in self.store.read(state["first"]):
            if isinstance(found, str):
                say(found)
            elif self._add(found.record, found.targets, found.number) and found.number >= state["number"]:
                yield found
        self.replay.games = max(self.replay.games, state["number"])

    def prune(self, first: int) -> None:
        """Delete games that come before number `first`; see `ReplayStore.prune`."""
        self.store.prune(first)

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


def first_needed(states: list[dict[str, Any]]) -> int:
    """The first game that any of these checkpoints' windows needs; 0 if one does not tell."""
    return min((int(state.get("first", 0)) for state in states), default=0)
