"""What a run does about an alarm of the collapse guard: other openings, decisive starts, or older weights.

Each alarm has a remedy in the settings (`guard.NAME_remedy`). A remedy is applied when its alarm is raised, and again
after a cool-down as long as an alarm that asks for it is on. Everything done is said, and kept with the run.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from agent.errors import InputError
from agent.networks.weights import load_weights
from selfplay.pool import Pool
from selfplay.starts import StartSettings
from selfplay.variations import Variations
from training.durability.checkpoint import WEIGHTS, Checkpoint, list_checkpoints, read_checkpoint
from training.learner import Learner
from training.monitoring.guard import Alarm, Guard
from training.settings import Settings

DECISIVE_STEP: Final = 0.25
"""By how much a remedy raises the share of decisive starts."""


@dataclass(frozen=True)
class News:
    """Something that the guard said or did."""

    step: int
    """Learner step."""
    text: str


class Remedies:
    """The guard's hand.

    Args:
        settings: of the run.
        checkpoints: folder of its checkpoints.
    """

    def __init__(self, settings: Settings, checkpoints: Path) -> None:
        self.variations = _as_settings_say(settings)
        """Of the games that start from now on."""
        self.news: list[News] = []
        """Since the start of the run, resumes included."""
        self._settings = settings
        self._checkpoints = checkpoints
        self._applied: dict[str, int] = {}
        self._told = 0

    def say(self, step: int, text: str) -> None:
        """Keep a sentence for the display and the summary."""
        self.news.append(News(step, text))

    def untold(self) -> list[News]:
        """What was said since the last call."""
        news, self._told = self.news[self._told :], len(self.news)
        return news

    def treat(self, guard: Guard, learner: Learner, pool: Pool) -> bool:
        """Apply the remedies that are due.

        Returns:
            Whether the learner has other weights now, which are to be published.
        """
        rolled_back = False
        for alarm in list(guard.alarms.values()):
            remedy = str(getattr(self._settings.guard, f"{alarm.watch}_remedy"))
            last = self._applied.get(remedy)
            if remedy == "none" or (last is not None and learner.step - last < self._settings.guard.cooldown_steps):
                continue
            self._applied[remedy] = learner.step
            if remedy == "rollback":
                rolled_back |= self._roll_back(alarm, guard, learner)
            else:
                self._vary(remedy, alarm, learner.step, pool)
        return rolled_back

    def state(self) -> dict[str, Any]:
        """What a resumed run needs; plain JSON."""
        changed = self.variations != _as_settings_say(self._settings)
        return {
            "variations": asdict(self.variations) if changed else None,
            "applied": self._applied,
            "news": [asdict(news) for news in self.news],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        if state["variations"] is not None:  # else the settings hold, with what a resume overrides in them
            start, share = state["variations"]["start"], state["variations"]["decisive_share"]
            self.variations = Variations(StartSettings(**start), share)
        self._applied = dict(state["applied"])
        self.news = [News(**news) for news in state["news"]]
        self._told = len(self.news)

    def _vary(self, remedy: str, alarm: Alarm, step: int, pool: Pool) -> None:
        limits, before = self._settings.guard, self.variations
        if remedy == "openings":
            # Half of the cap at most: the rest of a game is for the policy to play.
            most = min(limits.most_opening_plies, self._settings.selfplay.ply_cap // 2)
            plies = before.start.opening_plies
            wanted = max(plies, min(max(2 * plies, 4), most))
            self.variations = replace(before, start=replace(before.start, opening_plies=wanted))
            text = f"openings of up to {wanted} random plies, {plies} until now"
        else:
            share = max(before.decisive_share, min(before.decisive_share + DECISIVE_STEP, limits.most_decisive_share))
            self.variations = replace(before, decisive_share=share)
            text = f"{share:.0%} of the games start with a side far ahead, {before.decisive_share:.0%} until now"
        if self.variations == before:
            text = f"remedy for {alarm.watch}: none left, '{remedy}' is at its limit in the settings"
            if all(news.text != text for news in self.news):
                self.say(step, text)
            return
        pool.vary(self.variations)
        self.say(step, f"remedy for {alarm.watch}: {text}")

    def _roll_back(self, alarm: Alarm, guard: Guard, learner: Learner) -> bool:
        checkpoint = self._before(alarm.since, learner.step)
        if checkpoint is None or checkpoint.path is None:
            where = f"step {alarm.since}" if alarm.since >= 0 else "the trouble, which was there from the start"
            self.say(learner.step, f"remedy for {alarm.watch}: none, there is no checkpoint from before {where}")
            return False
        playing = load_weights(checkpoint.path / WEIGHTS).network.state_dict()
        # With averaged weights these are two networks; the one that learns then gets its own by `restore`.
        learner.playing_network.load_state_dict(playing)
        learner.network.load_state_dict(playing)
        learner.restore(checkpoint.optimizer)
        guard.start_anew(learner.step)
        self.say(
            learner.step,
            f"remedy for {alarm.watch}: back to the weights and optimiser of step {checkpoint.state['step']}",
        )
        return True

    def _before(self, step: int, now: int) -> Checkpoint | None:
        """The newest valid checkpoint of learner step `step` or earlier; damaged ones are named and skipped."""
        for path in list_checkpoints(self._checkpoints):
            if int(path.name.removeprefix("step-")) > step:
                continue
            try:
                return read_checkpoint(path)
            except InputError as error:
                self.say(now, f"skipped: {error}")
        return None


def _as_settings_say(settings: Settings) -> Variations:
    selfplay = settings.selfplay
    start = StartSettings(selfplay.opening_plies, selfplay.book_share, selfplay.endgame_share)
    return Variations(start, selfplay.decisive_share)
