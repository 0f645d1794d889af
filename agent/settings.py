"""The base of every section of the settings tree, so that each section can live beside its owner."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from agent.files import typed_path

PathText = Annotated[str, AfterValidator(lambda text: str(typed_path(text)) if text.startswith("~") else text)]
"""A path, as text; `~` at its start becomes the home folder."""


class Section(BaseModel):
    """Settings that belong together: immutable, unknown keys refused, no infinities or NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
