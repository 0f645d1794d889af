"""The settings section of self-play."""

from dataclasses import dataclass, fields
from typing import Literal

from pydantic import Field

from agent.networks.contract import Architecture
from agent.search import SearchSettings
from agent.settings import Section


class SelfplaySettings(Section):
    """How games are played, and by how many actors."""

    actors: int = Field(2, ge=0, le=100_000, description="Ray actors; 0 plays in the learner's process without Ray.")
    games: int = Field(64, ge=1, le=65_536, description="Games side by side in an actor: its network batch.")
    plies_per_call: int = Field(16, ge=1, description="Plies of each game that an actor plays before it reports.")
    threads: int = Field(1, ge=1, description="torch threads of an actor.")
    opening_plies: int = Field(8, ge=0, le=64, description="Most random plies before the policy takes over.")
    ply_cap: int = Field(300, ge=2, le=4000, description="A game this long is truncated.")
    temperature: float = Field(1.0, gt=0, le=10, description="Of the sampled policy, where there is no search.")
    simulations: int = Field(0, ge=0, le=100_000, description="Leaves (pvs: nodes) of a search; 0: actor-critic alone.")
    method: Literal["gumbel", "pvs"] = Field("gumbel", description="Of that search; pvs: better values, no new policy.")
    max_considered_actions: int = Field(16, ge=1, le=218, description="Moves considered at the root of a search.")
    c_scale: float = Field(0.1, ge=0, le=100, description="Weight of values against logits in the search.")
    gumbel_scale: float = Field(1.0, ge=0, le=10, description="Size of the root noise; 1 samples as the paper does.")
    gpus: float = Field(0, ge=0, description="GPUs of each actor; above 0 it evaluates on CUDA.")
    runtime: Literal["auto", "eager", "graphs"] = Field(
        "auto", description="Of a residual network; auto: graphs on CUDA, eager on the CPU."
    )
    cpus: float | None = Field(None, ge=0, description="Cores each actor asks Ray for; null: as many as its threads.")
    resources: dict[str, float] = Field({}, description="Custom Ray resources of each actor: pins it to nodes.")

    @property
    def cores(self) -> float:
        """Cores that each actor asks Ray for."""
        return float(self.threads) if self.cpus is None else self.cpus

    @property
    def search(self) -> SearchSettings | None:
        """The search that chooses the moves, from settings of the same names; None: the policy is sampled."""
        if not self.simulations:
            return None
        shared = (field.name for field in fields(SearchSettings) if field.name in type(self).model_fields)
        return SearchSettings(**{name: getattr(self, name) for name in shared})


@dataclass(frozen=True)
class ActorSettings:
    """Everything that a process which plays games needs to know."""

    architecture: Architecture
    selfplay: SelfplaySettings
    seed: int  # of the run
