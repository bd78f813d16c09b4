"""Small problems in PEtab, version 1 and 2, written for these tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.interop.sbml_models import decay

Rows = Sequence[Mapping[str, object]]
YAML = """\
format_version: 1
parameter_file: parameters.tsv
problems:
- condition_files: [conditions.tsv]
  measurement_files: [measurements.tsv]
  observable_files: [observables.tsv]
  sbml_files: [model.xml]
"""
YAML_2 = """\
format_version: 2.0.0
parameter_files: [parameters.tsv]
condition_files: [conditions.tsv]
experiment_files: [experiments.tsv]
measurement_files: [measurements.tsv]
observable_files: [observables.tsv]
model_files:
  made: {location: model.xml, language: sbml}
"""


def table(rows: Rows) -> str:
    """Return rows as a tab-separated table; columns in the order that they come up."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, *([str(row.get(name, "")) for name in columns] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def write_problem(folder: Path, *, yaml: str = YAML, model: str = "", **tables: Rows) -> Path:
    """Write a problem and return its YAML file. tables : by name; parameters, observables, conditions have defaults."""
    folder.mkdir(exist_ok=True)
    given: dict[str, Rows] = {
        "parameters": [{"parameterId": "k", "parameterScale": "log10", "nominalValue": 0.1, "estimate": 1}],
        "observables": [{"observableId": "obs_a", "observableFormula": "A"}],
        "conditions": [{"conditionId": "plain"}],
        "measurements": [measured("obs_a", 10)],
        **tables,
    }
    for name, rows in given.items():
        (folder / f"{name}.tsv").write_text(table(rows), encoding="utf-8")
    (folder / "model.xml").write_text(model or decay(k=7.0), encoding="utf-8")
    (folder / "problem.yaml").write_text(yaml, encoding="utf-8")
    return folder / "problem.yaml"


def measured(observable: str, time: object, condition: str = "plain", **more: object) -> dict[str, object]:
    """Return a row of measurements of version 1; what was measured does not count here."""
    return {
        "observableId": observable,
        "simulationConditionId": condition,
        "measurement": 0.0,
        "time": time,
        **more,
    }
