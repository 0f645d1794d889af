"""The dashboard: what TensorBoard's custom scalars show, the charts that matter first."""

import re
from typing import Any, Final

HEALTH: Final = "Is it healthy?"

_CHARTS: Final[dict[str, dict[str, list[str]]]] = {
    HEALTH: {
        "Strength: Elo against the opponent": ["evaluation/elo", "evaluation/elo_low", "evaluation/elo_high"],
        "Losses": ["loss/total", "loss/policy", "loss/value"],
        "Mass on illegal moves: ours, and wrong masks": [
            "policy/invalid_mass_max",
            "leak/multiplied_mean",
            "leak/unmasked_mean",
        ],
        "Decisive games": ["selfplay/decisive"],
        "Throughput: positions a second": ["selfplay/positions_per_second"],
    },
    "Where the time goes": {
        "The learner's time": ["time/.*"],
        "Waiting for each other": ["system/queue", "system/batch_fill"],
        "Versions behind": ["system/version_lag", "replay/age"],
        "Reuse": ["replay/reuse"],
    },
    "Learning": {
        "Entropy": ["policy/entropy", "policy/target_entropy", "selfplay/entropy"],
        "Distance to the target": ["policy/kl", "policy/clipped"],
        "Values": ["value/calibration_error", "value/spread"],
        "Gradient norm": ["learner/gradient_norm"],
        "Learning rate": ["learner/learning_rate"],
        "Steps a second": ["learner/steps_per_second"],
    },
    "Games": {
        "Results": ["selfplay/white_wins", "selfplay/draws", "selfplay/black_wins"],
        "Variety": ["selfplay/unique_openings"],
        "Why games end": ["selfplay/termination/.*"],
        "Length in plies": ["selfplay/length"],
        "Games a second": ["selfplay/games_per_second"],
        "Replay": ["replay/size"],
    },
    "Strength": {
        "Score": ["evaluation/score"],
        "Won endings mated": ["evaluation/conversion/.*"],
        "Seconds of matches": ["evaluation/seconds"],
    },
    "Guard": {
        "Alarms": ["guard/alarm", "guard/alarm/.*"],
        "Games": ["guard/decisive", "guard/capped", "guard/mate_rate_ahead", "guard/unique_openings"],
        "Value": ["guard/value_gain", "guard/value_spread"],
        "Entropy": ["guard/entropy"],
    },
    "Audit": {
        "Our kernel": ["policy/invalid_mass_mean", "leak/kernel_max", "leak/kernel_mean"],
        "logits * mask": ["leak/multiplied_.*"],
        "No mask": ["leak/unmasked_.*"],
        "Distributions checked": ["policy/distributions_checked"],
    },
    "Actors": {
        "Positions a second": ["system/actor/.*/positions_per_second"],
        "Idle": ["system/actor/.*/idle", "system/slowest_actor"],
        "Versions behind": ["system/actor/.*/version_lag"],
        "Alive and replaced": ["system/workers_alive", "system/restarts", "system/actor/.*/restarts"],
        "Memory": ["system/memory_trainer", "system/memory_actor"],
        "Most memory, by actor": ["system/actor/.*/memory"],
        "Memory by what it was once settled": ["system/memory_growth"],
        "Times the weights went back": ["system/rescues"],
    },
}


def layout() -> dict[str, dict[str, list[Any]]]:
    """As `SummaryWriter.add_custom_scalars` takes it: tags are regular expressions."""
    return {
        group: {title: ["Multiline", [f"^{tag}$" for tag in tags]] for title, tags in charts.items()}
        for group, charts in _CHARTS.items()
    }


def charts(names: list[str]) -> dict[str, dict[str, list[str]]]:
    """The tags among `names` that each chart shows, by group and title."""
    return {
        group: {
            title: [name for name in names if any(re.fullmatch(tag, name) for tag in tags)]
            for title, tags in titles.items()
        }
        for group, titles in _CHARTS.items()
    }
