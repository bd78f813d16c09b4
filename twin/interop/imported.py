"""What an import leaves behind: a scenario, the files beside it, and the account of what came along."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from twin.interop.report import Report


@dataclass(frozen=True)
class Imported:
    """What an import made.

    document : the scenario. files : the files beside it, by name. report : what became of the project.
    """

    document: Mapping[str, Any]
    files: Mapping[str, str]
    report: Report

    def yaml(self) -> str:
        """Return the scenario as the text of its file."""
        writer, out = YAML(), StringIO()
        writer.default_flow_style = False
        writer.dump(_short_lists(self.document), out)
        origin = self.report.origin
        return f"# From the {origin} project {self.report.project}, by twin import {origin.lower()}.\n{out.getvalue()}"


def _short_lists(value: Any) -> Any:
    """Return a document whose lists of plain values are written on one line."""
    if isinstance(value, Mapping):
        return {key: _short_lists(below) for key, below in value.items()}
    if isinstance(value, list):
        row = CommentedSeq(_short_lists(below) for below in value)
        if not any(isinstance(below, Mapping | list) for below in value):
            row.fa.set_flow_style()
        return row
    return value
