"""Every tag there is, documented in this one place. The glossary (docs/metrics.md), the descriptions in TensorBoard,
the alarms of the guard and the verdict of `zeromass status` are all made from it. A new tag goes here first: the writer
refuses those it does not find."""

import math
import re
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from agent.program import program

Kind = Literal["scalar", "picture", "text", "histogram"]
Unit = Literal["", "share", "nats", "1/s", "s", "plies", "versions", "MiB", "Elo", "points", "distributions"]


class Cause(NamedTuple):
    """What a value outside its healthy range most likely means."""

    name: str  # in two or three words
    advice: str  # what to change

    @property
    def suggestion(self) -> str:
        """The advice with its command as it works here."""
        return self.advice.replace("`zeromass ", f"`{program()} ")


LEAK: Final = Cause("leak", "the mask is broken; `zeromass audit` names positions and moves")
SICK_ACTORS: Final = Cause("dying actors", "read why they died: `ray logs`, memory, the machine they were on")
COLLAPSE: Final = Cause(
    "collapse",
    "raise selfplay.opening_plies, selfplay.temperature, learner.entropy_bonus or selfplay.decisive_share; resume from "
    "a checkpoint before the fall",
)
PLATEAU: Final = Cause("material plateau", "raise selfplay.decisive_share or lower learner.adjudication")
CUT_OFF: Final = Cause("games cut off", "raise selfplay.ply_cap or selfplay.decisive_share")
BLIND: Final = Cause("blind value", "lower learner.reuse or learner.learning_rate, or raise learner.value_weight")
UNSTABLE: Final = Cause("unstable learning", "lower learner.learning_rate or learner.reuse")
STALE: Final = Cause("stale actors", "raise learner.publish_steps or lower selfplay.plies_per_call")
STARVED: Final = Cause("starved learner", "raise selfplay.actors or lower selfplay.simulations")
OVERHEAD: Final = Cause("costly monitoring", "raise log.steps and log.pictures_minutes")
CAUSES: Final = (LEAK, SICK_ACTORS, COLLAPSE, PLATEAU, CUT_OFF, BLIND, UNSTABLE, STALE, STARVED, OVERHEAD)
"""The most urgent first: what ruins a run before what slows it."""


@dataclass(frozen=True)
class Tag:
    """One tag, or a family of them: `*` in its name stands for a number or a name."""

    name: str  # `group/what`
    meaning: str  # one sentence
    unit: Unit = ""  # `share` is 0..1 and shown as per cent; empty: a plain number
    low: float | None = None  # least healthy value; None: any
    high: float | None = None  # largest healthy value; None: any
    cause: Cause | None = None  # what a value outside that range means
    limit: Literal["", "low", "high"] = ""  # which end of the range a threshold of the guard's settings gives
    kind: Kind = "scalar"

    @property
    def group(self) -> str:
        """The part of the name before the first slash."""
        return self.name.split("/")[0]

    @property
    def healthy(self) -> str:
        """The healthy range in words; empty if any value is."""
        if self.low is not None and self.low == self.high:
            return f"exactly {self.show(self.low)}"
        if self.low is not None and self.high is not None:
            return f"{self.show(self.low)} to {self.show(self.high)}"
        if self.low is not None:
            return f"{self.show(self.low)} or more"
        return f"{self.show(self.high)} or less" if self.high is not None else ""

    @property
    def description(self) -> str:
        """Markdown of one paragraph: what TensorBoard shows beside the chart."""
        parts = [self.meaning[:1].upper() + self.meaning[1:].rstrip(".") + "."]
        if self.unit:
            parts.append(f"Unit: {self.unit}.")
        if self.healthy:
            parts.append(f"Healthy: {self.healthy}.")
        if self.cause:
            parts.append(f"Otherwise ({self.cause.name}): {self.cause.suggestion}.")
        return " ".join(parts)

    def limited(self, threshold: float) -> "Tag":
        """The same with a threshold of the guard's settings as one end of its range."""
        return replace(self, **{self.limit: threshold})  # type: ignore[arg-type]

    def fits(self, value: float) -> bool:
        """Whether `value` is healthy; NaN never is."""
        within = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return within and not math.isnan(value)

    def show(self, value: float) -> str:
        """`value` with its unit, for people."""
        return f"{number(100 * value)} %" if self.unit == "share" else f"{number(value)} {self.unit}".rstrip()


def number(value: float) -> str:
    """A number with about three significant digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2e}" if abs(value) < 1e-3 else f"{value:.3g}"


def _leak(name: str, meaning: str) -> Tag:
    return Tag(name, meaning, low=0.0, high=0.0, cause=LEAK)


def _watch(name: str, meaning: str, cause: Cause, unit: Unit = "share", limit: Literal["low", "high"] = "low") -> Tag:
    """A figure that the guard judges by a threshold of the settings."""
    return Tag(f"guard/{name}", meaning, unit, cause=cause, limit=limit)


def _time(part: str, what: str, high: float | None = None, cause: Cause | None = None) -> Tag:
    return Tag(f"time/{part}", f"share of the learner's time: {what}", "share", high=high, cause=cause)


_GUARDED: Final = (
    _watch("decisive", "share of the latest games that were won", COLLAPSE),
    _watch("truncated", "share of the latest games that the ply cap ended", CUT_OFF, limit="high"),
    _watch("mate_rate_ahead", "mates among the latest games with a side a rook or more ahead to the end", PLATEAU),
    _watch("value_gain", "explained share of what a constant value leaves open; 0: constant, 1: perfect", BLIND),
    _watch(
        "value_spread", "mean standard deviation of the expected score over a position's legal successors", BLIND, ""
    ),
    _watch("entropy", "policy/entropy over the latest rows", COLLAPSE, "nats"),
    _watch("unique_openings", "distinct positions after eight plies of play among the latest games", COLLAPSE),
)
WATCHES: Final[dict[str, Tag]] = {tag.name.removeprefix("guard/"): tag for tag in _GUARDED}
"""What the guard judges; `GuardSettings` has a threshold of the same name for each."""

_CALIBRATION: Final = "how far values were from results, bin by bin, over the latest games; points from -1 to 1"
_LAG: Final = "versions between the newest weights and those that played the plies that arrived"
_TAGS: Final = (
    Tag("loss/total", "what is minimised: policy + value - entropy bonus, weighted"),
    Tag("loss/policy", "PPO's clipped surrogate, negated; with search the cross-entropy with improved policies, nats"),
    Tag("loss/value", "cross-entropy of win/draw/loss; a constant prediction scores about 1.0", "nats"),
    Tag("policy/entropy", "of the policy being trained; 3.3 is uniform over 27 moves", "nats"),
    Tag("policy/target_entropy", "of the improved policies that are learned", "nats"),
    Tag("policy/kl", "from the target (what sampled, or what search improved) to the policy being trained", "nats"),
    Tag("policy/clipped", "plies whose importance ratio PPO clips", "share", high=0.8, cause=UNSTABLE),
    _leak("policy/invalid_mass_max", "largest probability on illegal moves, sampled or trained; 0.0 or the run stops"),
    _leak("policy/invalid_mass_mean", "mean probability on illegal moves, sampled or trained"),
    Tag("policy/distributions_checked", "distributions that the two above cover, since the start", "distributions"),
    Tag("selfplay/games_per_second", "finished games that arrived, over the last 15 seconds", "1/s"),
    Tag("selfplay/positions_per_second", "plies played by the policy that arrived, over the last 15 seconds", "1/s"),
    Tag("selfplay/length", "mean plies of the latest games, opening not counted", "plies"),
    Tag("selfplay/entropy", "of the policy that was sampled", "nats"),
    Tag("selfplay/white_wins", "share of the latest games", "share"),
    Tag("selfplay/draws", "share of the latest games, those that the ply cap ended included", "share"),
    Tag("selfplay/black_wins", "share of the latest games", "share"),
    Tag("selfplay/termination/*", "share of the latest games that ended this way", "share"),
    Tag("value/calibration_error", _CALIBRATION, "points", high=0.5, cause=BLIND),
    _leak("leak/kernel_max", "largest mass on illegal moves by our kernel, on a sample of the positions trained on"),
    _leak("leak/kernel_mean", "mean mass on illegal moves by our kernel, on the same sample"),
    Tag("leak/multiplied_max", "largest mass that softmax(logits * mask) would put on illegal moves there", "share"),
    Tag("leak/multiplied_mean", "mean mass that softmax(logits * mask) would put on illegal moves there", "share"),
    Tag("leak/unmasked_max", "largest mass that softmax without a mask would put on illegal moves there", "share"),
    Tag("leak/unmasked_mean", "mean mass that softmax without a mask would put on illegal moves there", "share"),
    Tag("replay/size", "plies in the replay buffer", "plies"),
    Tag("replay/age", "versions between the newest weights and the mean ply in the replay buffer", "versions"),
    Tag("replay/reuse", "times a ply was trained on, on average since the start"),
    Tag("learner/learning_rate", "of the last step"),
    Tag("learner/gradient_norm", "before clipping", high=100.0, cause=UNSTABLE),
    Tag("learner/steps_per_second", "steps of the learner, over the last 15 seconds", "1/s"),
    Tag("system/workers_alive", "game actors", low=1, cause=SICK_ACTORS),
    Tag("system/restarts", "game actors replaced since the start"),
    Tag("system/version_lag", _LAG, "versions", high=16, cause=STALE),
    Tag("system/slowest_actor", "positions a second of the slowest actor, as a share of the mean actor's", "share"),
    Tag("system/queue", "batches of games that were ready when the learner asked"),
    Tag("system/rescues", "times a loss was not finite and the weights went back, since the last start"),
    Tag("system/memory_trainer", "memory of the trainer's process", "MiB"),
    Tag("system/memory_actor", "memory of the largest game actor", "MiB"),
    Tag("system/memory_growth", "largest ratio of a process's memory to what it was when settled; should stay near 1"),
    _time("learning", "forward, backward, update, meter"),
    _time("sampling", "sampling batches from the replay buffer"),
    _time("waiting", "waiting for games, because a ply is trained on at most learner.reuse times", 0.9, STARVED),
    _time("playing", "playing games itself, where selfplay.actors=0"),
    _time("ingesting", "collecting games and adding them"),
    _time("publishing", "publishing weights"),
    _time("evaluating", "matches and snapshots during training"),
    _time("saving", "checkpoints"),
    _time("writing", "all of monitoring, pictures included", 0.01, OVERHEAD),
    *_GUARDED,
    Tag("guard/alarm", "alarms that are on; docs/guard.md"),
    *(Tag(f"guard/alarm/{name}", f"1 while the alarm about guard/{name} is on") for name in WATCHES),
    Tag("evaluation/score", "points against the opponent of the settings, draws count half", "share"),
    Tag("evaluation/elo", "Elo difference to that opponent; none for a score of 0 or 1", "Elo"),
    Tag("evaluation/elo_low", "lower end of its 95 % interval", "Elo"),
    Tag("evaluation/elo_high", "upper end of its 95 % interval", "Elo"),
    Tag("evaluation/seconds", "duration of a match during training, which counts as training time", "s"),
    Tag("evaluation/conversion/*", "won endings mated within 50 moves against a defending king", "share"),
    Tag("games/decisive", "the newest game that was won: boards where the value moved most", kind="picture"),
    Tag("games/drawn", "the newest game that was not won, likewise", kind="picture"),
    Tag("games/openings", "the first plies of the latest games; colour is White's score", kind="picture"),
    Tag("games/calibration", "values against results of the latest games", kind="picture"),
    Tag("evaluation/ladder", "the ladder, where the run has one", kind="picture"),
    Tag("games/pgn", "the two sample games, annotated", kind="text"),
    Tag("run/how_to_read", "where to look first", kind="text"),
    Tag("run/settings", "every setting of the run, resolved", kind="text"),
    Tag("run/versions", "the version of every package, and the machine", kind="text"),
    Tag("weights/*", "a parameter's values", kind="histogram"),
    Tag("gradients/*", "a parameter's gradient at the last step, after clipping", kind="histogram"),
)

TAGS: Final[dict[str, Tag]] = {tag.name: tag for tag in _TAGS}  # every tag; nothing else is logged
_FAMILIES: Final = [(re.compile(tag.name.replace("*", ".+")), tag) for tag in _TAGS if "*" in tag.name]


def find_tag(name: str) -> Tag:
    """The documentation of tag `name`, itself or as one of a family; a KeyError where there is none."""
    tag = TAGS.get(name) or next((family for pattern, family in _FAMILIES if pattern.fullmatch(name)), None)
    if tag is None:
        raise KeyError(f"tag {name!r} is not documented in training/monitoring/tags/tags.py")
    return tag
