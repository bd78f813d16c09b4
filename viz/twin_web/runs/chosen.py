"""What is asked of a run: to be written, or held against another; checked before any work begins."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.errors import InputError

Kind = Literal["h5ad", "png", "mp4", "csv", "html"]
Text = TypeVar("Text", bound=BaseModel)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Wanted(_Asked):
    """What of a run is written.

    time : text like "24 h", several with commas for pictures, "all" for cells; None: the last. color : a gene, program
    or column; None: the scenario's. branches : side by side in pictures and pages, of tables and cells one; () is the
    trunk, of a page all. point : "axis=value" texts of a sweep. cut : as `twin view --cut`.
    """

    kind: Kind
    time: str | None = Field(None, max_length=200)
    color: str | None = Field(None, max_length=200)
    branches: tuple[str, ...] = Field((), max_length=4)
    point: tuple[str, ...] = Field((), max_length=8)
    compartment: str | None = Field(None, max_length=100)
    replicate: int = Field(0, ge=0)
    cut: str | None = Field(None, max_length=40)


class Side(_Asked):
    """One side of a comparison: a branch of a run at a point of its sweep. branch : None: the trunk."""

    run: str = Field(max_length=100)
    branch: str | None = None
    point: tuple[str, ...] = Field((), max_length=8)


class Compared(_Asked):
    """What is held against each other. time : of cells, like "24 h"; None: the last that both have kept."""

    sides: tuple[Side, Side]
    time: str | None = Field(None, max_length=40)
    compartment: str | None = Field(None, max_length=100)
    cell_type: str | None = Field(None, max_length=200)


def checked(kind: type[Text], document: dict[str, Any]) -> Text:
    """Return what a request asks for.

    Raises
    ------
    InputError
        Naming the first thing that is wrong.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where or 'the request'}: {first['msg']}") from None
