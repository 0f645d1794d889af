"""Settings of a run: one validated tree, from YAML and `key=value` overrides.

Every setting lives here once. `load_settings` refuses unknown keys and values out of range with a sentence
that names the key; the resolved tree is saved with the run.
"""

import difflib
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, ValidationError
from yaml import YAMLError

from agent.errors import InputError
from agent.networks.settings import NetworkSettings
from agent.settings import Section
from selfplay.settings import InferenceSettings

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
"""The settings files that come with the project; `train demo` means `configs/demo.yaml`."""


class RunSettings(Section):
    """The run as a whole."""

    name: str = Field("", pattern=r"^[A-Za-z0-9._-]*$", description="Run folder below `folder`; empty: made of time.")
    folder: str = Field("runs", min_length=1, description="Where run folders are made.")
    seed: int = Field(0, ge=0, lt=2**31, description="Fixes network, games and batches.")
    minutes: float | None = Field(None, gt=0, description="Training ends after this time (all resumes together).")
    steps: int | None = Field(None, gt=0, description="Training ends after this many learner steps.")
    checkpoint_seconds: float = Field(120, gt=0, description="Between checkpoints; one more at every end.")
    keep_checkpoints: int = Field(3, ge=1, description="Older ones are deleted.")
    snapshot_minutes: float = Field(10, ge=0, description="Of training between weights kept for a ladder; 0: none.")
    reserve_mb: float = Field(64, ge=0, description="Training pauses while the disk has less free space.")
    heartbeat_seconds: float = Field(120, gt=0, description="A trainer silent for longer is killed and replaced.")


class SelfplaySettings(Section):
    """How games are played, and by how many actors."""

    actors: int = Field(2, ge=0, le=100_000, description="Ray actors; 0 plays in the learner's process without Ray.")
    games: int = Field(64, ge=1, le=65_536, description="Games side by side in an actor: its network batch.")
    plies_per_call: int = Field(16, ge=1, description="Lock-step plies an actor plays before it reports.")
    threads: int = Field(1, ge=1, description="torch threads of an actor.")
    opening_plies: int = Field(8, ge=0, le=64, description="Most random plies before the policy takes over.")
    endgame_share: float = Field(0, ge=0, le=1, description="Share of games that begin in a random endgame.")
    decisive_share: float = Field(
        0, ge=0, le=1, description="Share of games that begin with a side far ahead; drawn first."
    )
    ply_cap: int = Field(300, ge=2, le=4000, description="A game this long is ended (reason CAPPED).")
    temperature: float = Field(1.0, gt=0, le=10, description="Of the sampled policy, where there is no search.")
    simulations: int = Field(0, ge=0, le=100_000, description="Leaves of a deep search; 0: no search, actor-critic.")
    considered: int = Field(16, ge=1, le=218, description="Moves considered at the root.")
    c_visit: float = Field(50, ge=0, le=10_000, description="Visits added to the highest count where values weigh in.")
    c_scale: float = Field(0.1, ge=0, le=100, description="Weight of values against logits in the search.")
    c_puct: float = Field(0, ge=0, le=100, description="Exploration below the root by PUCT; 0: improved policy.")
    gumbel_scale: float = Field(1.0, ge=0, le=10, description="Size of the root noise; 1 samples as the paper does.")
    claim_draws: bool = Field(True, description="Threefold repetition and 50 moves end a game.")
    gpus: float = Field(0, ge=0, description="GPUs of each actor; above 0 it evaluates on CUDA.")
    cpus: float | None = Field(None, ge=0, description="Cores each actor asks Ray for; null: as many as its threads.")
    resources: dict[str, float] = Field({}, description="Custom Ray resources of each actor: pins it to nodes.")
    heartbeat_seconds: float = Field(300, gt=0, description="An actor whose call takes longer is replaced.")


class ReplaySettings(Section):
    """The window that the learner samples from."""

    capacity: int = Field(65_536, ge=1, description="Positions kept; the oldest go first.")
    warmup: int = Field(4_096, ge=1, description="Positions that must be there before the first step.")


class LearnerSettings(Section):
    """The actor-critic update."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one.")
    threads: int = Field(1, ge=1, description="torch threads of the learner on the CPU.")
    workers: int = Field(1, ge=1, le=1024, description="Processes that share each batch, the trainer included.")
    gpus: float = Field(0, ge=0, description="GPUs each of them asks Ray for; needed on clusters only.")
    resources: dict[str, float] = Field({}, description="Custom Ray resources of the trainer: pins it to nodes.")
    node: Literal["driver", "any"] = Field(
        "driver", description="Where the trainer runs: beside the command, or anywhere if all nodes share run.folder."
    )
    batch_size: int = Field(512, ge=1)
    learning_rate: float = Field(2e-3, gt=0, le=1, description="At the start; falls along a cosine.")
    final_learning_rate: float = Field(1e-4, ge=0, le=1, description="At the end of `run.minutes` or `run.steps`.")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Decoupled (AdamW).")
    gradient_clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    reuse: float = Field(2.0, gt=0, le=64, description="Times a position is trained on, on average.")
    publish_steps: int = Field(8, ge=1, description="Learner steps between versions of the weights.")
    clip: float = Field(0.2, gt=0, lt=1, description="PPO: the importance ratio counts within 1 +- clip.")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Generalised advantage estimation.")
    value_lambda: float = Field(
        1.0, ge=0, le=1, description="TD(lambda) of value targets; 1: the game's result, less: what search thought."
    )
    policy_weight: float = Field(1.0, ge=0)
    value_weight: float = Field(1.0, ge=0)
    entropy_bonus: float = Field(0.01, ge=0)
    adjudication: float = Field(
        0.25, ge=0, le=1, description="A capped game counts as this times tanh(material / 6) of a win; 0: a draw."
    )


class GuardSettings(Section):
    """When the collapse guard raises an alarm: see docs/guard.md."""

    games: int = Field(1000, ge=10, description="Finished games that are looked at, the latest ones.")
    least_games: int = Field(500, ge=1, description="Games that a figure needs before it counts.")
    rows: int = Field(30, ge=1, description="Rows of the log that are looked at for what is learned.")
    least_rows: int = Field(20, ge=1, description="Rows that such a figure needs before it counts.")
    grace_games: int = Field(3000, ge=0, description="No alarm before so many games: beginners cannot mate.")
    margin: float = Field(0.2, ge=0, lt=1, description="An alarm ends when its figure is better by this share.")
    decisive: float = Field(0.02, ge=0, le=1, description="Alarm below this share of games that are won.")
    capped: float = Field(0.98, ge=0, le=1, description="Alarm above this share of games ended by the ply cap.")
    mate_rate_ahead: float = Field(0.02, ge=0, le=1, description="Alarm below this mate rate a rook or more ahead.")
    value_gain: float = Field(0.02, ge=-100, le=1, description="Alarm below this gain over a constant predictor.")
    value_spread: float = Field(0.01, ge=0, le=1, description="Alarm below this spread of values of successors.")
    entropy: float = Field(0.1, ge=0, le=5, description="Alarm below this entropy of the trained policy, in nats.")
    unique_openings: float = Field(0.2, ge=0, le=1, description="Alarm below this share of distinct openings.")


class EvaluationSettings(Section):
    """Matches before, after and during training."""

    opponent: str = Field("random", pattern=r"^(random|greedy|alphabeta:[1-8])$", description="Or greedy, alphabeta:N.")
    games: int = Field(0, ge=0, le=100_000, description="Games before and again after; 0: none.")
    opening_plies: int = Field(4, ge=0, le=64)
    ply_cap: int = Field(300, ge=2, le=4000)
    simulations: int = Field(0, ge=0, le=100_000, description="Of the agent; 0: it looks one ply ahead.")
    every_minutes: float = Field(0, ge=0, description="Of training between matches on the way; 0: none.")


class LogSettings(Section):
    """What is written while training."""

    steps: int = Field(10, ge=1, description="Learner steps between rows of log.jsonl and TensorBoard.")
    pictures_minutes: float = Field(5, ge=0, description="Between pictures, texts and histograms in TensorBoard.")
    pgn_every: int = Field(200, ge=1, description="Every so many games one is kept as PGN.")


class Settings(Section):
    """The whole tree."""

    run: RunSettings = RunSettings()
    network: NetworkSettings = NetworkSettings()
    selfplay: SelfplaySettings = SelfplaySettings()
    inference: InferenceSettings = InferenceSettings()
    replay: ReplaySettings = ReplaySettings()
    learner: LearnerSettings = LearnerSettings()
    guard: GuardSettings = GuardSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    log: LogSettings = LogSettings()

    def to_yaml(self) -> str:
        """The resolved tree as YAML; `load_settings` reads it back."""
        return OmegaConf.to_yaml(OmegaConf.create(self.model_dump()))


def load_settings(config: str | Path | None, overrides: list[str] | None = None) -> Settings:
    """Read a settings file, apply `key=value` overrides, validate.

    Args:
        config: a YAML path, or the name of one of ours (`demo`, `cpu`, `gpu`, `cluster`); None: all defaults.
        overrides: such as `learner.batch_size=512`.

    Raises:
        InputError: the file is missing or not YAML, a key is unknown, a value is out of range.
    """
    tree: DictConfig | ListConfig = OmegaConf.create({})
    if config is not None:
        path = _find(config)
        try:
            tree = OmegaConf.load(path)
        except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"settings file '{path}' cannot be read as YAML ({reason}); mend it") from error
        if not isinstance(tree, DictConfig):
            raise InputError(f"settings file '{path}' is a list; it must hold sections such as 'learner:'")
    for override in overrides or []:
        key, separator, _ = override.partition("=")
        if not separator or not key:
            raise InputError(f"setting {override!r} is not of the form key=value, such as learner.batch_size=512")
        _check_key(key)
    try:
        merged: Any = OmegaConf.to_container(OmegaConf.merge(tree, OmegaConf.from_dotlist(list(overrides or []))))
    except (YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"settings {overrides} cannot be read ({' '.join(str(error).split())}); mend them") from error
    try:
        settings = Settings.model_validate({} if merged is None else merged)
    except ValidationError as error:
        raise InputError(_sentence(error)) from error
    if settings.run.minutes is None and settings.run.steps is None:
        raise InputError("settings run.minutes and run.steps are both unset, so training would never end; set one")
    if settings.evaluation.every_minutes and not settings.evaluation.games:
        raise InputError(
            f"setting evaluation.every_minutes={settings.evaluation.every_minutes:g} needs games to play; "
            "set evaluation.games"
        )
    return settings


def _find(config: str | Path) -> Path:
    path = Path(config)
    if path.is_file():
        return path
    ours = CONFIGS / f"{config}.yaml"
    if ours.is_file():
        return ours
    names = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yaml")))
    raise InputError(f"settings file '{config}' does not exist; name a YAML file, or one of ours: {names}")


def known_keys() -> list[str]:
    """Every setting as `section.key`."""
    sections = Settings.model_fields.items()
    return [f"{name}.{key}" for name, section in sections for key in section.annotation.model_fields]  # type: ignore[union-attr]


def _check_key(key: str) -> None:
    if key not in known_keys():
        raise InputError(_unknown(key))


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, known_keys() + list(Settings.model_fields), n=1, cutoff=0.5)
    return f"unknown setting '{key}'; " + (f"did you mean '{near[0]}'?" if near else "see the files in configs/")


def _sentence(error: ValidationError) -> str:
    """The first complaint as one sentence."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown(key)
    reason = first["msg"][:1].lower() + first["msg"][1:]
    return f"setting {key}={first['input']!r} is refused: {reason}"
