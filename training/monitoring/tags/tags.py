"""Every tag there is, documented in this one place.

The glossary (docs/metrics.md), the descriptions in TensorBoard, and the health that `zeromass status` prints are all
made from it. A new tag goes here first: the writer refuses those it does not find.
"""

import re
from typing import Final

from agent.rules import Termination
from training.evaluation.conversion import ENDINGS
from training.monitoring.guard import WATCHES
from training.monitoring.tags.tag import Tag

COLLAPSE: Final = "collapse"
EAGER: Final = "eager resignation"
STARVED: Final = "starved learner"
STALE: Final = "stale actors"
LEAK: Final = "leak"
UNSTABLE: Final = "unstable learning"
OVERHEAD: Final = "costly watching"
SICK_ACTORS: Final = "dying actors"
BLIND: Final = "blind value"
CAPPED: Final = "games cut off"
PLATEAU: Final = "material plateau"
EMPTY: Final = "empty batches"

_LEAKING = "the mask is broken; `zeromass audit` names positions and moves"
_GENTLER = "lower learner.learning_rate or learner.reuse"
_VARIETY = (
    "put variety back: more opening_plies, a higher temperature or gumbel_scale, more entropy_bonus; resume from a "
    "checkpoint before the fall"
)
_SUPPLY = "bring more games: more actors, fewer simulations, faster inference; else the learner's batches may grow"
_FRESHER = "publish more rarely (learner.publish_steps), report more often (selfplay.plies_per_call)"

_ALARMS: Final = {
    "capped": CAPPED,
    "mate_rate_ahead": PLATEAU,
    "value_gain": BLIND,
    "value_spread": BLIND,
}
"""What an alarm of the guard means, where it is not a collapse."""

_SCALARS: Final = (
    Tag("loss/total", "what is minimised: policy + value - entropy bonus, weighted"),
    Tag(
        "loss/policy",
        "PPO's clipped surrogate, negated; with search the cross-entropy with the improved policies, in nats",
    ),
    Tag("loss/value", "cross-entropy of win/draw/loss; a constant predictor scores about 1.0", "nats"),
    Tag(
        "policy/entropy",
        "of the policy being trained; 3.3 is uniform over 27 moves",
        "nats",
        low=0.1,
        sickness=COLLAPSE,
        advice=_VARIETY,
    ),
    Tag("policy/target_entropy", "of the improved policies that are learned", "nats"),
    Tag("policy/kl", "from the target (what sampled, or what search improved) to the policy being trained", "nats"),
    Tag(
        "policy/clipped",
        "share of plies whose importance ratio PPO clips",
        "share",
        high=0.8,
        sickness=UNSTABLE,
        advice=_GENTLER,
    ),
    Tag(
        "policy/invalid_mass_max",
        "largest probability on illegal moves, sampled or trained; 0.0 or the run stops",
        low=0.0,
        high=0.0,
        sickness=LEAK,
        advice=_LEAKING,
    ),
    Tag(
        "policy/invalid_mass_mean",
        "mean probability on illegal moves, sampled or trained",
        low=0.0,
        high=0.0,
        sickness=LEAK,
        advice=_LEAKING,
    ),
    Tag(
        "policy/distributions_checked",
        "distributions that the two lines above have seen since the start",
        "distributions",
    ),
    Tag("selfplay/games_per_second", "finished games that arrived, over the last 15 seconds", "1/s"),
    Tag("selfplay/positions_per_second", "plies played by the policy that arrived, over the last 15 seconds", "1/s"),
    Tag("selfplay/length", "mean plies of finished games, opening not counted", "plies"),
    Tag("selfplay/entropy", "of the policy that was sampled", "nats", low=0.05, sickness=COLLAPSE, advice=_VARIETY),
    Tag(
        "selfplay/decisive",
        "share of finished games that somebody won; capped games are not among them",
        "share",
        low=0.005,
        sickness=COLLAPSE,
        advice=_VARIETY,
    ),
    Tag(
        "selfplay/unique_openings",
        "different first 12 plies, those given included, as a share of the last thousand games",
        "share",
        low=0.1,
        sickness=COLLAPSE,
        advice=_VARIETY,
    ),
    Tag("selfplay/white_wins", "share of finished games", "share"),
    Tag("selfplay/draws", "share of finished games, capped ones included", "share"),
    Tag("selfplay/black_wins", "share of finished games", "share"),
    *(
        Tag(f"selfplay/termination/{reason.name.lower()}", "share of finished games that ended so", "share")
        for reason in Termination
        if reason not in (Termination.NONE, Termination.THREEFOLD_REPETITION)
    ),
    Tag(
        "selfplay/termination/threefold_repetition",
        "share of finished games that ended so",
        "share",
        high=0.8,
        sickness=COLLAPSE,
        advice=_VARIETY,
    ),
    Tag(
        "value/calibration_error",
        "how far values were from results, bin by bin, over the last thousand games; points from -1 to 1",
        "points",
        high=0.5,
        sickness=BLIND,
        advice="more games a step (learner.reuse down), value_lambda nearer to 1, a larger learner.value_weight",
    ),
    Tag("value/spread", "standard deviation of values over the plies of the last thousand games", "points"),
    Tag(
        "leak/kernel_max",
        "largest mass on illegal moves by our kernel, on a sample of the positions being trained",
        "share",
        low=0.0,
        high=0.0,
        sickness=LEAK,
        advice=_LEAKING,
    ),
    Tag(
        "leak/kernel_mean",
        "mean mass on illegal moves by our kernel, on the same sample",
        "share",
        low=0.0,
        high=0.0,
        sickness=LEAK,
        advice=_LEAKING,
    ),
    Tag(
        "leak/multiplied_max", "largest mass that softmax(logits * mask) would have put on illegal moves there", "share"
    ),
    Tag("leak/multiplied_mean", "mean mass that softmax(logits * mask) would have put on illegal moves there", "share"),
    Tag("leak/unmasked_max", "largest mass that softmax without a mask would have put on illegal moves there", "share"),
    Tag("leak/unmasked_mean", "mean mass that softmax without a mask would have put on illegal moves there", "share"),
    Tag("replay/size", "plies in the window", "plies"),
    Tag("replay/age", "versions between the newest weights and the mean ply in the window", "versions"),
    Tag("replay/reuse", "times a ply was trained on, on average since the start"),
    Tag("learner/learning_rate", "of the last step"),
    Tag("learner/gradient_norm", "before clipping", high=100.0, sickness=UNSTABLE, advice=_GENTLER),
    Tag("learner/steps_per_second", "steps of the learner, over the last 15 seconds", "1/s"),
    Tag(
        "system/workers_alive",
        "actors",
        low=1,
        sickness=SICK_ACTORS,
        advice="read why they died: `ray logs`, memory, the machine they were on",
    ),
    Tag("system/restarts", "actors replaced since the start"),
    Tag(
        "system/version_lag",
        "versions between the newest weights and those that played the plies that arrived since the last row",
        "versions",
        high=16,
        sickness=STALE,
        advice=_FRESHER,
    ),
    Tag("system/slowest_actor", "positions a second of the slowest actor, as a share of the mean actor's", "share"),
    Tag("system/queue", "batches of games that lay ready whenever the learner looked"),
    Tag(
        "system/batch_fill",
        "positions a batch of the inference actor, as a share of inference.batch_size",
        "share",
        low=0.1,
        sickness=EMPTY,
        advice="a smaller inference.batch_size, a longer inference.max_wait_ms, or more games",
    ),
    Tag("system/rescues", "times a loss was not finite and the weights went back, since the last start"),
    Tag("system/memory_trainer", "what the trainer's process occupies now", "MiB"),
    Tag("system/memory_actor", "what the largest game actor occupies now", "MiB"),
    Tag("system/memory_growth", "largest of a process's memory by what it was once settled; should stay near 1"),
    Tag("system/actor/*/positions_per_second", "plies played by this actor", "1/s"),
    Tag("system/actor/*/idle", "share of this actor's time between calls: sending, loading weights, waiting", "share"),
    Tag("system/actor/*/version_lag", "versions that its last batch was behind", "versions"),
    Tag("system/actor/*/restarts", "times this actor was replaced since the start"),
    Tag("system/actor/*/memory", "most memory that this actor's process held so far", "MiB"),
    Tag("time/learning", "share of the learner's time: forward, backward, update, meter", "share"),
    Tag("time/sampling", "share of the learner's time: drawing batches from the replay", "share"),
    Tag(
        "time/waiting",
        "share of the learner's time: waiting for games, because a ply is trained on no more than learner.reuse times",
        "share",
        high=0.9,
        sickness=STARVED,
        advice=_SUPPLY,
    ),
    Tag("time/playing", "share of the learner's time: playing itself, where selfplay.actors=0", "share"),
    Tag("time/ingesting", "share of the learner's time: taking games in, collecting them included", "share"),
    Tag("time/publishing", "share of the learner's time: handing out weights", "share"),
    Tag("time/evaluating", "share of the learner's time: matches and snapshots on the way", "share"),
    Tag("time/saving", "share of the learner's time: checkpoints", "share"),
    Tag(
        "time/writing",
        "share of the learner's time: all of what you see here, pictures included; by the clock",
        "share",
        high=0.01,
        sickness=OVERHEAD,
        advice="raise log.steps and log.pictures_minutes",
    ),
    Tag("guard/decisive", "share of the latest games that were won", "share"),
    Tag("guard/capped", "share of the latest games that the ply cap ended", "share"),
    Tag(
        "guard/mate_rate_ahead",
        "of games in which a side was a rook or more ahead to the end, the share it ended by mate",
        "share",
    ),
    Tag("guard/value_gain", "share of what a constant value leaves open that the value explains; 0 a constant, 1 all"),
    Tag("guard/value_spread", "mean standard deviation of the value over a position's legal successors", "points"),
    Tag("guard/entropy", "policy/entropy over the latest rows", "nats"),
    Tag("guard/unique_openings", "distinct positions after eight plies of play among the latest games", "share"),
    Tag("guard/alarm", "alarms that are on; docs/guard.md"),
    *(
        Tag(
            f"guard/alarm/{name}",
            f"1 while the guard's alarm about guard/{name} is on",
            low=0.0,
            high=0.0,
            sickness=_ALARMS.get(name, COLLAPSE),
            advice="the guard treats it by itself; docs/guard.md says how",
        )
        for name in WATCHES
    ),
    Tag("evaluation/score", "points against the opponent of the settings, draws count half", "share"),
    Tag("evaluation/elo", "difference to that opponent that makes the score the expectation; none at 0 and 1", "Elo"),
    Tag("evaluation/elo_low", "lower end of its 95 % interval", "Elo"),
    Tag("evaluation/elo_high", "upper end of its 95 % interval", "Elo"),
    Tag("evaluation/seconds", "that a match during training took; they count as training", "s"),
    *(
        Tag(
            f"evaluation/conversion/{ending}",
            "share of won endings mated within 50 moves against a king that defends",
            "share",
        )
        for ending in ENDINGS
    ),
)

_OTHERS: Final = (
    Tag("games/decisive", "the newest game that somebody won: boards where the value moved most", kind="picture"),
    Tag("games/drawn", "the newest game that nobody won, likewise", kind="picture"),
    Tag("games/openings", "the first plies of the last thousand games; colour is White's score", kind="picture"),
    Tag("games/heat_map", "the squares that the last thousand games moved from and to", kind="picture"),
    Tag("games/calibration", "values against results of the last thousand games", kind="picture"),
    Tag("games/prior", "how probable the moves played were, then and to today's network", kind="picture"),
    Tag("evaluation/ladder", "the ladder, where the run has one", kind="picture"),
    Tag("games/pgn", "the two sample games, annotated", kind="text"),
    Tag("run/how_to_read", "where to look first", kind="text"),
    Tag("run/settings", "every setting of the run, resolved", kind="text"),
    Tag("run/versions", "the version of everything", kind="text"),
    Tag("weights/*", "a parameter's values", kind="histogram"),
    Tag("gradients/*", "a parameter's gradient at the last step, after clipping", kind="histogram"),
)

TAGS: Final[dict[str, Tag]] = {tag.name: tag for tag in (*_SCALARS, *_OTHERS)}
"""Every tag with what is known of it; nothing else is logged."""

_FAMILIES: Final = [
    (re.compile(re.escape(name).replace(r"\*", ".+")), tag) for name, tag in TAGS.items() if "*" in name
]


def find_tag(name: str) -> Tag:
    """The documentation of tag `name`, itself or as one of a family.

    Raises:
        KeyError: there is none.
    """
    if name in TAGS:
        return TAGS[name]
    for pattern, tag in _FAMILIES:
        if pattern.fullmatch(name):
            return tag
    raise KeyError(f"tag {name!r} is not documented in training/monitoring/tags/tags.py")
