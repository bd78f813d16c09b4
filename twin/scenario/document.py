"""What every part of the scenario document is: frozen, and a key that is not known is an error."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DottedKey = Annotated[
    str, Field(pattern=r"^[^.\s]+(\.[^.]+)*$", description="A key by its dotted path, like substances.IL2.half_life.")
]


class Document(BaseModel):
    """Frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
