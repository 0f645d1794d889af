"""The dashboard: what TensorBoard's custom scalars and the report show, the charts that matter first."""

import re
from typing import Any, Final

HEALTH: Final = "Is it healthy?"

_CHARTS: Final[dict[str, dict[str, str]]] = {
    HEALTH: {
        "Strength: Elo against the opponent": "evaluation/elo evaluation/elo_low evaluation/elo_high",
        "Losses": "loss/total loss/policy loss/value",
        "Mass on illegal moves: ours, and wrong masks": "policy/invalid_mass_max leak/(multiplied|unmasked)_mean",
        "Decisive games": "guard/decisive",
        "Throughput: positions a second": "selfplay/positions_per_second",
    },
    "Where the time goes": {
        "The learner's time": "time/.*",
        "Waiting for each other": "system/queue system/batch_fill",
        "Versions behind": "system/version_lag replay/age",
        "Reuse": "replay/reuse",
    },
    "Learning": {
        "Entropy": "policy/entropy policy/target_entropy selfplay/entropy guard/entropy",
        "Distance to the target": "policy/kl policy/clipped",
        "Values": "value/calibration_error guard/value_gain guard/value_spread",
        "Gradient norm": "learner/gradient_norm",
        "Learning rate": "learner/learning_rate",
        "Steps a second": "learner/steps_per_second",
    },
    "Games": {
        "Results": "selfplay/white_wins selfplay/draws selfplay/black_wins",
        "Alarms of the guard": "guard/alarm guard/alarm/.*",
        "Variety": "guard/unique_openings",
        "A rook or more ahead: mated": "guard/mate_rate_ahead",
        "Why games end": "selfplay/termination/.* guard/truncated",
        "Length in plies": "selfplay/length",
        "Games a second": "selfplay/games_per_second",
        "Replay": "replay/size",
    },
    "Strength": {
        "Score": "evaluation/score",
        "Won endings mated": "evaluation/conversion/.*",
        "Seconds of matches": "evaluation/seconds",
    },
    "Audit": {
        "Our kernel": "policy/invalid_mass_mean leak/kernel_max leak/kernel_mean",
        "logits * mask": "leak/multiplied_.*",
        "No mask": "leak/unmasked_.*",
        "Distributions checked": "policy/distributions_checked",
    },
    "Actors": {
        "Positions a second": "system/actor/.*/positions_per_second",
        "Idle": "system/actor/.*/idle system/slowest_actor",
        "Versions behind": "system/actor/.*/version_lag",
        "Alive and replaced": "system/workers_alive system/restarts system/actor/.*/restarts",
        "Memory": "system/memory_trainer system/memory_actor",
        "Memory growth": "system/memory_growth",
        "Times the weights went back": "system/rescues",
    },
}
"""Tag patterns, regular expressions separated by spaces, by group and title."""


def layout() -> dict[str, dict[str, list[Any]]]:
    """As `SummaryWriter.add_custom_scalars` takes it."""
    return {
        group: {title: ["Multiline", [f"^{tag}$" for tag in tags.split()]] for title, tags in charts.items()}
        for group, charts in _CHARTS.items()
    }


def charts(names: list[str]) -> dict[str, dict[str, list[str]]]:
    """The tags among `names` that each chart shows, by group and title."""
    return {
        group: {
            title: [name for name in names if any(re.fullmatch(tag, name) for tag in tags.split())]
            for title, tags in titles.items()
        }
        for group, titles in _CHARTS.items()
    }
