"""Where games come from: a pool of Ray actors, or one generator in this process, behind one interface. Back-pressure:
each actor has at most `IN_FLIGHT` calls under way. When the learner does not collect, it finishes these and waits, so a
slow learner is never flooded; nothing polls."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

import ray
from numpy.typing import NDArray
from ray.exceptions import RayActorError, RayTaskError

from agent.errors import InputError
from agent.networks.meter import InvalidMassError
from selfplay.actor import GameActor, GameBatch, GamePlayer, Weights
from selfplay.identity import identity
from selfplay.settings import ActorSettings

IN_FLIGHT: Final = 2  # calls an actor may have under way: one played, one waiting, so it never idles between them
RESTART_DELAY: Final = 2.0  # seconds before a dead actor's place is taken, so that a crash at start-up does not spin
PATIENCE: Final = 1.0  # longest that `collect` waits: the caller may have to stop, and hung actors must be found
NICENESS: Final = 5  # of actors, which so get a third of a core that the trainer needs too; Ray's default is the most


class Pool:
    """A source of games. This one has none, for learning from games that were recorded."""

    restarts = 0  # actors replaced since the start
    streams = 0  # streams handed out so far; a resumed run starts behind them, so that no game is played twice

    @property
    def actors(self) -> int:
        """Actors that have started and are alive."""
        return 1

    @property
    def waiting(self) -> int:
        """Actors that have not started yet: they wait for a node with room."""
        return 0

    def publish(self, weights: Weights, version: int) -> None:
        """Use these weights from the next call on."""

    def collect(self, *, wait: bool) -> list[GameBatch]:
        """What is ready; with `wait`, what comes within a second or so, which may be nothing. An InvalidMassError if a
        generator found mass on an illegal move, an InputError if an actor runs other code or cannot start."""
        return []

    def state(self) -> dict[str, NDArray[Any]]:
        """What unfinished games need to continue exactly; empty where they are started again."""
        return {}

    def close(self) -> None:
        """Stop the actors; unfinished games are dropped."""


class LocalPool(Pool):
    """One generator in this process, without Ray: deterministic, for small machines and tests. With the `state` of an
    earlier pool of the same settings its games go on. Else its generator has `first_stream`."""

    def __init__(
        self, settings: ActorSettings, first_stream: int = 0, state: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        if state:
            self._player = GamePlayer(settings, int(state["stream"][0]))
            if self._player.restore(state):
                self.streams = first_stream
                return
        self._player = GamePlayer(settings, first_stream)
        self.streams = first_stream + 1

    def publish(self, weights: Weights, version: int) -> None:
        """Use these weights from the next call on; those of the version in use already are in use."""
        if version != self._player.version:
            self._player.load(weights, version)

    def state(self) -> dict[str, NDArray[Any]]:
        """See `Pool`."""
        return self._player.state()

    def collect(self, *, wait: bool) -> list[GameBatch]:
        """One batch when asked to wait, else nothing: playing is work, done only when games are needed."""
        return [self._player.play()] if wait else []


class RayPool(Pool):
    """Ray actors, replaced when they die or hang. Ray must be initialised.

    An actor hangs if it has answered before and then, with calls under way, answers none for `heartbeat` seconds. One
    that never answered may be waiting for a node, as on a cluster that grows.

    The first actor has `first_stream`; each further one, and each replacement, gets the next.
    """

    def __init__(self, settings: ActorSettings, *, first_stream: int = 0, heartbeat: float = 300.0) -> None:
        self.streams, self._settings, self._heartbeat = first_stream, settings, heartbeat
        selfplay = settings.selfplay
        # Ray's own restarts would rerun the constructor with the same stream and play the same games again.
        self._actor_class = ray.remote(
            num_cpus=selfplay.cores, num_gpus=selfplay.gpus, resources=dict(selfplay.resources), max_restarts=0
        )(GameActor)
        self._weights: list[ray.ObjectRef[Weights]] = []
        self._version = -1
        self._calls: dict[ray.ObjectRef[GameBatch], ray.actor.ActorHandle[GameActor]] = {}
        self._heard: dict[ray.actor.ActorHandle[GameActor], float] = {}  # of actors that have answered: when last
        self._started: dict[ray.actor.ActorHandle[GameActor], ray.ObjectRef[Any]] = {}  # ready when an actor has
        self._missing: dict[int, float] = {}  # when the places of the dead are to be taken
        self._actors: list[ray.actor.ActorHandle[GameActor] | None] = [self._start() for _ in range(selfplay.actors)]

    @property
    def actors(self) -> int:
        """See `Pool`."""
        return len(self._living()) - self.waiting

    @property
    def waiting(self) -> int:
        """See `Pool`."""
        calls = [self._started[actor] for actor in self._living()]
        return len(ray.wait(calls, num_returns=len(calls), timeout=0)[1]) if calls else 0

    def publish(self, weights: Weights, version: int) -> None:
        """Put the weights into the object store once; calls from now on name them."""
        first = not self._weights
        self._weights, self._version = [ray.put(weights)], version
        if first:
            for actor in self._living():
                self._call(actor)

    def collect(self, *, wait: bool) -> list[GameBatch]:
        """What is ready; with `wait`, what comes within `PATIENCE`. Dead and hung actors are replaced on the way."""
        until = time.monotonic() + (PATIENCE if wait else 0.0)
        while True:
            self._replace_missing()
            calls = list(self._calls)
            ready, _ = ray.wait(calls, num_returns=len(calls), timeout=0) if calls else ([], [])
            left = until - time.monotonic()
            if not ready and left > 0:
                if calls:
                    ready, _ = ray.wait(calls, num_returns=1, timeout=left)
                else:
                    time.sleep(min(left, 0.1))  # all are dead and wait to be replaced
            batches = [batch for call in ready if (batch := self._finish(call)) is not None]
            self._replace_hung()
            if batches or left <= 0:
                return batches

    def close(self) -> None:
        """Kill the actors; unfinished games are dropped."""
        for actor in self._living():
            ray.kill(actor)
        self._actors, self._calls, self._missing = [], {}, {}

    def _start(self) -> "ray.actor.ActorHandle[GameActor]":
        actor = cast(Any, self._actor_class).remote(self._settings, self.streams, identity(), NICENESS)
        self.streams += 1
        self._started[actor] = actor.__ray_ready__.remote()
        return cast("ray.actor.ActorHandle[GameActor]", actor)

    def _call(self, actor: "ray.actor.ActorHandle[GameActor]") -> None:
        while sum(1 for other in self._calls.values() if other is actor) < IN_FLIGHT:
            self._calls[actor.play.remote(self._weights, self._version)] = actor

    def _finish(self, call: "ray.ObjectRef[GameBatch]") -> GameBatch | None:
        actor = self._calls.pop(call, None)
        if actor is None:
            return None  # of an actor that was replaced a moment ago
        try:
            batch: GameBatch = ray.get(call)
        except RayTaskError as error:
            if isinstance(error.cause, InvalidMassError):
                raise InvalidMassError(str(error.cause)) from error
            if isinstance(error.cause, InputError):  # other code there than here
                raise error.cause from error
            raise
        except RayActorError as error:
            if error.actor_init_failed and not self._heard:
                last = str(error).strip().splitlines()[-1]
                reason = last.partition("Error: ")[2] or last
                raise InputError(f"game actors cannot start ({reason}); see zeromass doctor") from error
            self._forget(actor)
            return None
        self._heard[actor] = time.monotonic()
        self._call(actor)
        return replace(batch, place=self._actors.index(actor))

    def _replace_hung(self) -> None:
        late = time.monotonic() - self._heartbeat
        for actor in [actor for actor, heard in self._heard.items() if heard < late]:
            # An answer that is ready counts as a heartbeat: the caller may not have collected for long.
            calls = [call for call, other in self._calls.items() if other is actor]
            if not ray.wait(calls, num_returns=1, timeout=0)[0]:
                ray.kill(actor)
                self._forget(actor)

    def _forget(self, actor: "ray.actor.ActorHandle[GameActor]") -> None:
        """Drop a dead actor; another takes its place after `RESTART_DELAY`."""
        self._calls = {call: other for call, other in self._calls.items() if other is not actor}
        self._heard.pop(actor, None)
        del self._started[actor]
        place = self._actors.index(actor)
        self._actors[place] = None
        self._missing[place] = time.monotonic() + RESTART_DELAY

    def _replace_missing(self) -> None:
        now = time.monotonic()
        for place in [place for place, due in self._missing.items() if due <= now]:
            del self._missing[place]
            self.restarts += 1
            self._actors[place] = fresh = self._start()
            self._call(fresh)

    def _living(self) -> list["ray.actor.ActorHandle[GameActor]"]:
        return [actor for actor in self._actors if actor is not None]
