"""Settings of a run: one validated tree, from YAML and `key=value` overrides. Each section stands with its owner, which
takes it as it is; those of the training loop are here. `load_settings` refuses unknown keys and values out of range
with a sentence that names the key; the resolved tree is saved with the run."""

import difflib
import re
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, ValidationError, field_validator
from yaml import YAMLError

from agent.errors import InputError
from agent.files import typed_path, what_is
from agent.networks.settings import NetworkSettings
from agent.settings import PathText, Section
from selfplay.settings import ActorSettings, SelfplaySettings

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
"""The settings files that come with the project; `train demo` means `configs/demo.yaml`."""
_UNREADABLE = (YAMLError, OmegaConfBaseException, OSError, ValueError, RecursionError)  # what reading YAML may raise


class RunSettings(Section):
    """The run as a whole."""

    name: str = Field("", description="Run folder below `folder`; empty: made of time.")
    folder: PathText = Field("runs", pattern=r"^[^\x00]+$", description="Where run folders are made.")
    seed: int = Field(0, ge=0, lt=2**31, description="Fixes network, games and batches.")
    minutes: float | None = Field(None, gt=0, description="Training ends after this time (all resumes together).")
    steps: int | None = Field(None, gt=0, description="Training ends after this many learner steps.")
    checkpoint_seconds: float = Field(120, gt=0, description="Between checkpoints; one more at every end.")
    snapshot_minutes: float = Field(10, ge=0, description="Of training between weights kept for a ladder; 0: none.")
    heartbeat_seconds: float = Field(300, gt=0, description="A trainer or actor silent for longer is replaced.")

    @field_validator("name")
    @classmethod
    def _one_folder(cls, name: str) -> str:
        if not re.fullmatch("([A-Za-z0-9_][A-Za-z0-9._-]{0,99})?", name):
            raise ValueError("use up to 100 letters, digits, dots, dashes and underscores, no dot or dash first")
        return name


class ReplaySettings(Section):
    """The window that the learner samples from."""

    capacity: int = Field(65_536, ge=1, description="Positions kept; the oldest go first.")
    warmup: int = Field(4_096, ge=1, description="Positions that must be there before the first step.")
    games: str | None = Field(None, description="Learn from the games of RUN,RUN and play none; null: play.")


class LearnerSettings(Section):
    """The update of the weights, and where it runs."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one.")
    threads: int = Field(1, ge=1, description="torch threads of the learner on the CPU.")
    gpus: float = Field(0, ge=0, description="GPUs the trainer asks Ray for; needed on clusters only.")
    resources: dict[str, float] = Field({}, description="Custom Ray resources of the trainer: pins it to nodes.")
    node: Literal["driver", "any"] = Field(
        "driver", description="Where the trainer runs: beside the command, or anywhere if all nodes share run.folder."
    )
    batch_size: int = Field(512, ge=1, description="Positions in a step.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="At the start; falls along a cosine.")
    final_learning_rate: float = Field(1e-4, ge=0, le=1, description="At the end of `run.minutes` or `run.steps`.")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Decoupled (AdamW).")
    reuse: float = Field(2.0, ge=0, le=64, description="Times a position is trained on, on average; 0: only play.")
    publish_steps: int = Field(8, ge=1, description="Learner steps between versions of the weights.")
    value_lambda: float = Field(1, ge=0, le=1, description="TD(lambda); 1: the game's result, 0: the searched value.")
    value_cut: float = Field(0, ge=0, le=1, description="Returns end at moves of a probability below this; 0: never.")
    mirrored: float = Field(0, ge=0, le=1, description="Share of positions mirrored left to right, for values alone.")
    value_weight: float = Field(1.0, ge=0, description="Of the value loss against the policy loss.")
    entropy_bonus: float = Field(0.01, ge=0, description="Weight of the policy's entropy.")
    adjudication: float = Field(
        0.25, ge=0, le=1, description="A truncated game counts as this times tanh(material / 6) of a win; 0: a draw."
    )


class GuardSettings(Section):
    """When the collapse guard raises an alarm: docs/guard.md."""

    decisive: float = Field(0.02, ge=0, le=1, description="Alarm below this share of decisive games.")
    truncated: float = Field(0.98, ge=0, le=1, description="Alarm above this share of games ended by the ply cap.")
    mate_rate_ahead: float = Field(0.02, ge=0, le=1, description="Alarm below this mate rate a rook or more ahead.")
    value_gain: float = Field(0.02, ge=-100, le=1, description="Alarm below this gain over a constant predictor.")
    value_spread: float = Field(0.01, ge=0, le=1, description="Alarm below this spread of values of successors.")
    entropy: float = Field(0.1, ge=0, le=5, description="Alarm below this entropy of the trained policy, in nats.")
    unique_openings: float = Field(0.2, ge=0, le=1, description="Alarm below this share of distinct openings.")


class EvaluationSettings(Section):
    """Matches before, after and during training."""

    opponent: str = Field("random", pattern=r"^(random|greedy|alphabeta:[1-8])$", description="Or greedy, alphabeta:N.")
    games: int = Field(0, ge=0, le=100_000, description="Games before and again after; 0: none.")
    ply_cap: int = Field(300, ge=2, le=4000, description="A game this long is drawn.")
    simulations: int = Field(0, ge=0, le=100_000, description="Of the agent; 0: it looks one ply ahead.")
    every_minutes: float = Field(0, ge=0, description="Of training between matches on the way; 0: none.")


class LogSettings(Section):
    """What is written while training."""

    steps: int = Field(10, ge=1, description="Learner steps between rows of log.jsonl and TensorBoard.")
    pictures_minutes: float = Field(5, ge=0, description="Between pictures, texts and histograms in TensorBoard.")


class Settings(Section):
    """All sections."""

    run: RunSettings = RunSettings()
    network: NetworkSettings = NetworkSettings()
    selfplay: SelfplaySettings = SelfplaySettings()
    replay: ReplaySettings = ReplaySettings()
    learner: LearnerSettings = LearnerSettings()
    guard: GuardSettings = GuardSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    log: LogSettings = LogSettings()

    @property
    def actor(self) -> ActorSettings:
        """What each game actor gets of them."""
        return ActorSettings(self.network.architecture, self.selfplay, self.run.seed)

    def to_yaml(self) -> str:
        """The resolved tree as YAML; `load_settings` reads it back."""
        return OmegaConf.to_yaml(OmegaConf.create(self.model_dump()))


def load_settings(config: str | Path | None, overrides: list[str] | None = None) -> Settings:
    """Read a settings file, apply overrides such as `learner.batch_size=512`, validate. `config` is a YAML path, or the
    name of one of ours, such as `demo`; None: all defaults. An InputError where the file is missing or not YAML, a key
    is unknown, a value is out of range."""
    tree: DictConfig | ListConfig = OmegaConf.create({})
    if config is not None:
        path = _find(config)
        try:
            tree = OmegaConf.load(path)
        except _UNREADABLE as error:
            reason = " ".join(str(error).split())
            raise InputError(f"settings file '{path}' cannot be read as YAML ({reason}); correct it") from error
        if not isinstance(tree, DictConfig):
            raise InputError(f"settings file '{path}' is a list; it must hold sections such as 'learner:'")
    for override in overrides or []:
        key, separator, _ = override.partition("=")
        if not separator or not key:
            raise InputError(f"setting {override!r} is not of the form key=value, such as learner.batch_size=512")
        if key not in known_keys():
            raise InputError(_unknown(key))
    try:
        merged: Any = OmegaConf.to_container(OmegaConf.merge(tree, OmegaConf.from_dotlist(list(overrides or []))))
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise InputError(f"settings {overrides} cannot be read ({reason}); correct them") from error
    try:
        settings = Settings.model_validate({} if merged is None else merged)
    except ValidationError as error:
        raise InputError(_sentence(error)) from error
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    """Refuse sections that are valid one by one but not together."""
    if settings.run.minutes is None and settings.run.steps is None:
        raise InputError("settings run.minutes and run.steps are both unset, so training would never end; set one")
    if settings.learner.mirrored and not settings.selfplay.search:
        raise InputError(f"setting learner.mirrored={settings.learner.mirrored:g} needs selfplay.simulations above 0")
    if settings.evaluation.every_minutes and not settings.evaluation.games:
        setting = f"evaluation.every_minutes={settings.evaluation.every_minutes:g}"
        raise InputError(f"setting {setting} needs games to play; set evaluation.games")


def _find(config: str | Path) -> Path:
    for path in (typed_path(config), CONFIGS / f"{config}.yaml"):
        if what_is(path) == "file":
            return path
    names = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yaml")))
    raise InputError(f"settings file '{config}' does not exist; name a YAML file, or one of ours: {names}")


def known_keys() -> list[str]:
    """Every setting as `section.key`."""
    sections = Settings.model_fields.items()
    return [f"{name}.{key}" for name, section in sections for key in section.annotation.model_fields]  # type: ignore[union-attr]


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, known_keys() + list(Settings.model_fields), n=1, cutoff=0.5)
    return f"unknown setting '{key}'; " + (f"did you mean '{near[0]}'?" if near else "see the files in configs/")


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown(key)
    reason = first["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return f"setting {key}={first['input']!r} is refused: {reason}"
