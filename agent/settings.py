"""The base of every section of the settings tree, so that each section can live beside its owner."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Settings that belong together: immutable, unknown keys refused, no infinities or NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
