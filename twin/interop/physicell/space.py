"""Domain, times and substances of a project."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log, pi
from typing import Any

from twin.interop.physicell.settings import Node
from twin.interop.report import Report
from twin.units import quantity

OXYGEN_SOLUBILITY = "1.34 uM/mmHg"  # 0.003 mL O2 per dL plasma and mmHg at 37 °C; West, Respiratory Physiology, ch. 6
FACES = {"xmin": "x_low", "xmax": "x_high", "ymin": "y_low", "ymax": "y_high", "zmin": "z_low", "zmax": "z_high"}
TRACKED = "track_internalized_substrates_in_each_agent"
LEFT = log(1000.0)  # relaxation times after which a thousandth of a transient is left
COMMIT_TICKS = 60  # our choice: six hours of PhysiCell's phenotype steps


@dataclass(frozen=True)
class Domain:
    """The box of a project.

    low : its lower corner in the project's coordinates, µm. edges : µm. flat : whether it is two-dimensional.
    """

    low: tuple[float, float, float]
    edges: tuple[float, float, float]
    spacing: float
    flat: bool

    def holds(self, position: tuple[float, float, float]) -> bool:
        """Say whether a place of the project lies in the box."""
        return all(0 <= x - low <= edge for x, low, edge in zip(position, self.low, self.edges, strict=True))


def read_domain(root: Node, report: Report) -> Domain:
    """Return the box, in whole voxels."""
    spans = {axis: (root.number(f"domain/{axis}_min"), root.number(f"domain/{axis}_max")) for axis in "xyz"}
    steps = [root.number(f"domain/d{axis}", 20.0) for axis in "xyz"]
    flat = root.flag("domain/use_2D")
    spacing = steps[0]
    if flat:
        spans["z"] = (-steps[2] / 2, steps[2] / 2)
    edges = tuple(max(1, ceil((high - low) / spacing - 1e-9)) * spacing for low, high in spans.values())
    asked = tuple(high - low for low, high in spans.values())
    low = tuple(span[0] for span in spans.values())
    kind = "one voxel thick (two-dimensional)" if flat else "three-dimensional"
    report.carried("domain", f"a box of {' × '.join(f'{e:g}' for e in edges)} um, voxels of {spacing:g} um, {kind}")
    if len({*steps}) > 1 or any(abs(a - b) > 1e-9 for a, b in zip(edges, asked, strict=True)):
        report.approximated(
            "domain",
            f"voxels are cubes of dx = {spacing:g} um; the box of {' × '.join(f'{a:g}' for a in asked)} um is widened",
        )
    assert len(low) == 3
    assert len(edges) == 3
    return Domain((low[0], low[1], low[2]), (edges[0], edges[1], edges[2]), spacing, flat)


def read_times(root: Node, report: Report) -> dict[str, Any]:
    """Return duration, tick, what is observed when, and the seed."""
    tick = root.number("overall/dt_phenotype", 6.0) or 6.0
    longest = root.number("overall/max_time", 7200.0)
    ticks = max(1, -int(-(longest - 1e-9) // tick))
    unit = root.text("overall/time_units", "min") or "min"
    if unit != "min" or root.text("overall/space_units", "micron") not in ("micron", "um", ""):
        report.approximated("overall", f"units ({unit}, {root.text('overall/space_units')}) taken as min and micron")
    report.carried("overall", f"{ticks * tick:g} min in ticks of {tick:g} min, PhysiCell's phenotype step")
    if ticks * tick != longest:
        report.approximated("max_time", f"{longest:g} min is {ticks * tick:g} min, a whole number of ticks")
    mechanics, diffusion = root.number("overall/dt_mechanics", 0.1), root.number("overall/dt_diffusion", 0.01)
    report.approximated("dt_mechanics", f"{mechanics:g} min: mechanics takes adaptive substeps within each tick")
    report.approximated("dt_diffusion", f"{diffusion:g} min: diffusion is exact in time and takes longer steps")
    every = max(1, round((root.number("save/full_data/interval", 60.0) or tick) / tick))
    every = min(every, ticks)
    for path in ("save", "parallel"):
        root.pass_over(path)
    report.carried("save", f"readouts and cells every {every * tick:g} min, into a run store")
    seed_text = root.text("options/random_seed") or root.text("user_parameters/random_seed") or "0"
    seed = int(seed_text) if seed_text.isdecimal() else 0
    if not seed_text.isdecimal():
        report.approximated("random_seed", f"{seed_text!r}: the seed is 0, every run is the same")
    return {
        "duration": f"{ticks * tick:g} min",
        "tick": f"{tick:g} min",
        "seed": seed,
        "observe": {"every": f"{every * tick:g} min"},
        "execution": {"commit_every": f"{min(ticks, COMMIT_TICKS) * tick:g} min"},
    }


def settled_of(substances: Mapping[str, Any], domain: Domain, hours: float, report: Report) -> dict[str, str]:
    """Return the substances whose transient is gone within a tick, as `quasi_steady` has them.

    The slowest relaxation is decay and the first mode between held walls, λ + D π² Σ 1/L²; uptake is left out, which
    only makes it faster.
    """
    found = {}
    for name, table in substances.items():
        rate = quantity(table["decay"], "1 / hour", "a rate", "0.1 /min")
        spread = quantity(table["diffusivity"], "micrometer ** 2 / hour", "a diffusivity", "1e5 um^2/min")
        for axis, edge in zip("xyz", domain.edges, strict=True):
            held = sum(f"{axis}_{side}" in table.get("walls", {}) for side in ("low", "high"))
            rate += spread * (pi * held / (2 * edge)) ** 2
        if spread > 0 and rate * hours > LEFT:
            found[name] = "always"
            report.approximated(f"substrate {name!r}", "settled in every tick: less than 0.1 % of a transient is left")
    return found


def read_substances(root: Node, domain: Domain, report: Report) -> dict[str, Any]:
    """Return the table of substances."""
    found = {}
    for variable in root.all("microenvironment_setup/variable"):
        name = variable.attribute("name")
        found[name] = _substance(name, variable, domain, report)
    options = root.find("microenvironment_setup/options")
    if options is not None:
        for path in ("initial_condition", "dirichlet_nodes"):
            node = options.find(path)
            if node is not None and node.is_enabled():
                report.left_out(f"microenvironment {path}", f"read from {node.text('filename')!r}: values are uniform")
            options.pass_over(path)
        options.pass_over("calculate_gradients")  # they are there whenever somebody reads them
        options.flag(TRACKED)
    return found


def _substance(name: str, variable: Node, domain: Domain, report: Report) -> dict[str, Any]:
    own = variable.attribute("units")
    others = [
        n.attribute("units") for n in variable.all("initial_condition") + variable.all("Dirichlet_boundary_condition")
    ]
    gas = own == "mmHg" or (name.lower() in ("oxygen", "o2") and "mmHg" in others)
    unit = "mmHg" if gas else "nM"
    table: dict[str, Any] = {
        "diffusivity": f"{variable.digits('physical_parameter_set/diffusion_coefficient')} um^2/min",
        "decay": f"{variable.digits('physical_parameter_set/decay_rate')} /min",
        "initial": f"{variable.digits('initial_condition')} {unit}",
    }
    if gas:
        table["solubility"] = OXYGEN_SOLUBILITY
        report.carried(f"substrate {name!r}", f"in mmHg, {OXYGEN_SOLUBILITY} as of oxygen in plasma at 37 °C")
    else:
        report.carried(f"substrate {name!r}", f"its {own or 'dimensionless'} 1 is 1 nM")
    walls = {FACES[face]: f"{value} {unit}" for face, value in _held_faces(variable).items()}
    if domain.flat:
        walls = {face: value for face, value in walls.items() if not face.startswith("z")}
    if walls:
        table["walls"] = walls
        report.approximated(
            f"substrate {name!r}, Dirichlet", "held at the face of the box, not at the middle of its outermost voxels"
        )
    return table


def _held_faces(variable: Node) -> dict[str, str]:
    """Return the faces at which a substance is held, and the values as written."""
    whole = variable.find("Dirichlet_boundary_condition")
    held = {}
    if whole is not None and whole.is_enabled():
        held = dict.fromkeys(FACES, whole.digits())
    for face in variable.all("Dirichlet_options/boundary_value"):
        which = face.attribute("ID")
        if which in FACES and face.is_enabled():
            held[which] = face.digits()
        else:
            held.pop(which, None)
    variable.pass_over("Dirichlet_options")
    return held
