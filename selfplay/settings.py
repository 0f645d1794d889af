"""Settings sections of self-play."""

from typing import Literal

from pydantic import Field

from agent.settings import Section


class InferenceSettings(Section):
    """Where and how self-play evaluates a residual network."""

    runtime: Literal["auto", "eager", "graphs"] = Field("auto", description="auto: graphs on CUDA, eager on the CPU.")
    actor: bool = Field(False, description="One actor evaluates for all game actors, in joint batches.")
    batch_size: int = Field(256, ge=1, le=65_536, description="Positions that make a batch of that actor.")
    max_wait_ms: float = Field(2.0, ge=0, le=1000, description="Longest wait of a request for others to join.")
    gpus: float = Field(0, ge=0, description="GPUs of that actor; above 0 it evaluates on CUDA.")
