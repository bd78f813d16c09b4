"""Cell definitions of a project: what each type does, in the words of the dictionary, and the settings of processes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import pi
from typing import Any

from twin.interop.physicell.settings import Node
from twin.interop.report import Report
from twin.scenario.behaviours import DEFAULT
from twin.scenario.rules_file import behaviour_text

RENAMED = "default cell"  # PhysiCell's first type is often called by the word that stands for all types here

# blocks of the phenotype → (element, our word); numbers in PhysiCell's units
MECHANICS = (
    ("cell_cell_adhesion_strength", "cell-cell adhesion"),
    ("cell_cell_repulsion_strength", "cell-cell repulsion"),
    ("relative_maximum_adhesion_distance", "relative maximum adhesion distance"),
    ("attachment_elastic_constant", "cell-cell adhesion elastic constant"),
    ("attachment_rate", "cell attachment rate"),
    ("detachment_rate", "cell detachment rate"),
    ("maximum_number_of_attachments", "maximum number of cell attachments"),
)
ATTACHED = (
    "cell attachment rate",
    "cell detachment rate",
    "maximum number of cell attachments",
    "cell-cell adhesion elastic constant",
)
MEMBRANE = ("cell_BM_adhesion_strength", "cell_BM_repulsion_strength")
SECRETION = (
    ("secretion_rate", "{} secretion"),
    ("secretion_target", "{} secretion target"),
    ("uptake_rate", "{} uptake"),
    ("net_export_rate", "{} export"),
)
DEAD = ("apoptotic", "necrotic", "other_dead")
BY_TYPE = (
    ("cell_interactions/live_phagocytosis_rates/phagocytosis_rate", "phagocytose {}"),
    ("cell_interactions/attack_rates/attack_rate", "attack {}"),
    ("cell_interactions/fusion_rates/fusion_rate", "fuse to {}"),
    ("cell_interactions/immunogenicities/immunogenicity", "immunogenicity to {}"),
    ("cell_transformations/transformation_rates/transformation_rate", "transform to {}"),
    ("mechanics/cell_adhesion_affinities/cell_adhesion_affinity", "adhesive affinity to {}"),
)
USUAL = {"immunogenicity to {}": 1.0, "adhesive affinity to {}": 1.0}  # values that need not be written; others 0


@dataclass
class CellType:
    """One cell definition, made ours.

    words : values under `cell_types`. radius : µm. body : settings of `volume`. number : PhysiCell's ID.
    """

    name: str
    number: int
    words: dict[str, str | float] = field(default_factory=dict)
    radius: float = 0.0
    body: dict[str, Any] = field(default_factory=dict)


class Definition:
    """A cell definition with those that it is a copy of: its own elements go first."""

    def __init__(self, chain: list[Node]) -> None:
        self.chain = chain
        self.name = chain[0].attribute("name")

    def find(self, path: str) -> Node | None:
        """Return an element of the phenotype, its own or the nearest one that it inherits."""
        return next((found for node in self.chain if (found := node.find(f"phenotype/{path}")) is not None), None)

    def named(self, path: str, attribute: str = "name") -> dict[str, Node]:
        """Return elements of the phenotype by an attribute; what is nearer goes before what is inherited."""
        found: dict[str, Node] = {}
        for node in reversed(self.chain):
            found |= {element.attribute(attribute): element for element in node.all(f"phenotype/{path}")}
        return found


def definitions_of(root: Node) -> list[Definition]:
    """Return the cell definitions in order, each with its parent and PhysiCell's default."""
    nodes = root.all("cell_definitions/cell_definition")
    by_name = {node.attribute("name"): node for node in nodes}
    base = next((n for n in nodes if n.attribute("name") == DEFAULT or n.attribute("ID") == "0"), None)
    chains = []
    for node in nodes:
        parent = by_name.get(node.attribute("parent_type"), base)
        rest = [n for n in (parent, base) if n is not None and n.element is not node.element]
        chains.append(Definition([node, *dict.fromkeys(rest)]))
    return chains


def our_name(name: str) -> str:
    """Return the name of a cell type here."""
    return RENAMED if name == DEFAULT else name


def cell_type_of(
    definition: Definition, number: int, substances: Mapping[str, Any], report: Report, *, flat: bool
) -> CellType:
    """Return a cell type with its values; cycle and death are read apart."""
    given = definition.chain[0].attribute("ID")
    made = CellType(our_name(definition.name), int(given) if given.isdecimal() else number)
    if made.name != definition.name:
        report.approximated(
            f"cell definition {definition.name!r}", f"called {made.name!r}: here {DEFAULT!r} stands for all types"
        )

    def put(word: str, text: str, usual: float = 0.0) -> None:
        if float(text) != usual:
            made.words[word] = behaviour_text(word, text, substances)

    _volume(definition, made, report)
    for element, word in MECHANICS:
        node = definition.find(f"mechanics/{element}")
        if node is not None:
            made.words[word] = behaviour_text(word, node.digits(), substances)
    if float(str(made.words.get("cell attachment rate", "0")).split()[0]) == 0:
        for word in ATTACHED:  # nothing to keep or let go of
            made.words.pop(word, None)
    if any(definition.find(f"mechanics/{element}") is not None for element in MEMBRANE):
        report.left_out(
            f"{definition.name}: {' and '.join(MEMBRANE)}",
            "its XML places no basement membrane; place one under processes.mechanics.membranes to use them",
        )
    _equilibrium(definition, made, report)
    _motility(definition, made, substances, report)
    plane = definition.find("motility/options/use_2D")
    if not flat and plane is not None and plane.flag("") and "migration speed" in made.words:
        report.approximated(f"{definition.name}: motility in 2D", "here cells crawl along z, too")
    for name in substances:
        node = definition.named("secretion/substrate").get(name)
        for element, pattern in SECRETION if node is not None else ():
            assert node is not None
            put(pattern.format(name), node.digits(element))
    for path, pattern in BY_TYPE:
        for name, node in definition.named(path).items():
            put(pattern.format(our_name(name)), node.digits(), USUAL.get(pattern, 0.0))
    for word, text in _interactions(definition):
        put(word, text)
    _own_numbers(definition, made, report)
    _not_ours(definition, report)
    report.carried(
        f"cell definition {definition.name!r}",
        f"{len(made.words)} values under cell_types, radius {made.radius:g} um",
    )
    return made


def _volume(definition: Definition, made: CellType, report: Report) -> None:
    def number(path: str, default: float) -> float:
        node = definition.find(f"volume/{path}")
        return default if node is None else node.number()

    total, nuclear = number("total", 2494.0), number("nuclear", 540.0)
    made.radius = float(f"{(3 * total / (4 * pi)) ** (1 / 3):.6g}")
    made.body = {
        "fluid_fraction": number("fluid_fraction", 0.75),
        "nuclear_fraction": float(f"{nuclear / total:.6g}"),
        "rates": {
            "fluid": f"{number('fluid_change_rate', 0.05):g} /min",
            "nuclear": f"{number('nuclear_biomass_change_rate', 0.0055):g} /min",
            "cytoplasmic": f"{number('cytoplasmic_biomass_change_rate', 0.0045):g} /min",
        },
    }
    if number("calcified_fraction", 0.0) or number("calcification_rate", 0.0):
        report.left_out(f"{definition.name}: calcification", "bodies do not calcify")
    number("relative_rupture_volume", 2.0)  # death has it too, and reads it there


def _equilibrium(definition: Definition, made: CellType, report: Report) -> None:
    """Turn a rest distance that the project asks for into the adhesion that brings it about."""
    for kind in ("relative", "absolute"):
        node = definition.find(f"mechanics/options/set_{kind}_equilibrium_distance")
        if node is None or not node.is_enabled():
            continue
        rest = min(node.number() / (made.radius if kind == "absolute" else 1.0), 2.0)  # in radii
        repulsion, reach = (_bare(made.words, word, usual) for word, usual in _FORCES)
        adhesion = repulsion * ((1 - rest / 2) / (1 - rest / (2 * reach))) ** 2
        made.words["cell-cell adhesion"] = f"{adhesion:.6g} um/min"
        report.carried(f"{definition.name}: rest distance", f"{rest:.4g} radii by an adhesion of {adhesion:.4g} um/min")


_FORCES = (("cell-cell repulsion", 10.0), ("relative maximum adhesion distance", 1.25))


def _bare(words: Mapping[str, str | float], word: str, usual: float) -> float:
    return float(str(words.get(word, usual)).split()[0])


def _motility(definition: Definition, made: CellType, substances: Mapping[str, Any], report: Report) -> None:
    """Put down a type's own motion; what is not enabled is left at rest."""
    nodes = {tag: definition.find(f"motility/{tag}") for tag in ("speed", "persistence_time", "migration_bias")}
    enabled = definition.find("motility/options/enabled")
    options = [n for node in definition.chain for n in node.all("phenotype/motility/options")]
    moves = enabled is not None and enabled.flag("")
    words = ("migration speed", "migration persistence time", "migration bias")
    if moves:
        for word, node in zip(words, nodes.values(), strict=True):
            if node is not None:
                made.words[word] = behaviour_text(word, node.digits(), substances)
    simple = definition.find("motility/options/chemotaxis")
    several = definition.find("motility/options/advanced_chemotaxis")
    if moves and several is not None and several.flag("enabled"):
        for name, node in definition.named(_SENSITIVITY, "substrate").items():
            if node.number() != 0:
                made.words[f"chemotactic response to {name}"] = node.number()
        if not several.flag("normalize_each_gradient"):
            report.carried(f"{definition.name}: advanced chemotaxis", "the sum of gradients is normalised, not each")
        else:
            report.approximated(
                f"{definition.name}: normalize_each_gradient", "only the sum of gradients is normalised"
            )
    elif moves and simple is not None and simple.flag("enabled"):
        made.words[f"chemotactic response to {simple.text('substrate')}"] = simple.number("direction", 1.0)
        report.carried(f"{definition.name}: chemotaxis", f"along the gradient of {simple.text('substrate')}")
    for node in options:
        node.pass_over()


_SENSITIVITY = "motility/options/advanced_chemotaxis/chemotactic_sensitivities/chemotactic_sensitivity"


def _interactions(definition: Definition) -> Iterator[tuple[str, str]]:
    """Yield (word, number) of interactions with any cell, attacks and integrity."""
    older = definition.find("cell_interactions/dead_phagocytosis_rate")
    for how in DEAD:
        node = definition.find(f"cell_interactions/{how}_phagocytosis_rate") or older
        if node is not None:
            yield f"phagocytose {how.replace('_', ' ')} cell", node.digits()
    attack = definition.find("cell_interactions/attack_damage_rate") or definition.find("cell_interactions/damage_rate")
    duration = definition.find("cell_interactions/attack_duration")
    if definition.named("cell_interactions/attack_rates/attack_rate"):
        yield "attack damage rate", "1" if attack is None else attack.digits()
        yield "attack duration", "30" if duration is None else duration.digits()
    for tag, word in (("damage_rate", "damage rate"), ("damage_repair_rate", "damage repair rate")):
        node = definition.find(f"cell_integrity/{tag}")
        if node is not None:
            yield word, node.digits()


def _own_numbers(definition: Definition, made: CellType, report: Report) -> None:
    for node in reversed(definition.chain):
        own = node.find("custom_data")
        for element in () if own is None else own.element:
            text = (element.text or "").strip()
            try:
                made.words[f"custom:{element.tag}"] = float(text)
            except ValueError:
                report.left_out(f"{definition.name}: custom {element.tag!r}", f"{text!r} is no number")
        node.pass_over("custom_data")


def _not_ours(definition: Definition, report: Report) -> None:
    """Note blocks that have no counterpart."""
    uneven = definition.chain[0].find("phenotype/cycle/standard_asymmetric_division")
    if uneven is not None:
        if uneven.is_enabled():
            report.left_out(f"{definition.name}: standard_asymmetric_division", "daughters are of their mother's type")
        uneven.pass_over()
    spread = definition.chain[0].find("initial_parameter_distributions")
    if spread is not None:
        if spread.is_enabled():
            what = ", ".join(d.text("behavior") or d.attribute("behavior") for d in spread.all("distribution"))
            report.left_out(
                f"{definition.name}: initial_parameter_distributions", f"{what}: values are those of a type"
            )
        spread.pass_over()
    inner = definition.chain[0].find("phenotype/intracellular")
    if inner is not None:
        kind = inner.attribute("type") or "model"
        report.left_out(f"{definition.name}: intracellular {kind}", "no process runs it")
        inner.pass_over()
    definition.chain[0].pass_over("phenotype/molecular")
