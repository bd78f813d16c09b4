"""What every part of the scenario document is: frozen, and a key that is not known is an error."""

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """Frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
