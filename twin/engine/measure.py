"""Observables measured: an expression's number at one moment of a trajectory."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from twin.engine.grouping import tree_at_start
from twin.engine.world import World
from twin.kernels.region import inside
from twin.scenario.behaviours import MOST_PHASES
from twin.scenario.expression import Binary, Call, Node, Number, Text, Unary, Word, nodes, parse
from twin.scenario.measures import CLONES, FIELDS, LEVELS, MATHS, PAIRS, STATISTICS, literal, names, number_of
from twin.scenario.watched import FOUNDER
from twin.state.body import Body, Compartment
from twin.state.groups import KINDS, labels, labels_of

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]

SIGNS: dict[str, Callable[[Array, Array], NDArray[np.generic]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "^": np.power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def all_types(world: World) -> tuple[str, ...]:
    """Return the cell types of all compartments, in alphabetical order."""
    return tuple(sorted({t for names in world.names.values() for t in names["cell_type"]}))


def groups_of(world: World, by: str) -> tuple[str, ...]:
    """Return the labels along which a quantity is split."""
    if by in KINDS:
        trees = [tree_at_start(world, name, document) for name, document in world.scenario.compartments.items()]
        return tuple(dict.fromkeys(word for tree in trees for word in labels_of(tree, by).values() if word))
    return all_types(world) if by == "cell_type" else tuple(str(k) for k in range(MOST_PHASES))


class Moment:
    """A body at one instant, asked for numbers; what several of them need is worked out once."""

    def __init__(self, world: World, body: Body, texts: Iterable[str]) -> None:
        """Get ready to give the numbers of these expressions; only their genes are read."""
        self.world, self.body = world, body
        self._genes = genes_wanted(world, tuple(texts))
        self.homes = [body.compartments[name] for name in world.scenario.compartments]
        self._quantities: dict[str, Array] = {}
        self._expression: dict[str, tuple[Array, dict[str, Array]]] = {}

    def number(self, text: str) -> Array:
        """Return what an expression gives: () or, split by something, (group,); NaN where there is nothing to measure.

        The expression has been checked (`twin.engine.observables.note`).
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.asarray(self._tissue(parse(text)), dtype=np.float64)

    def holds(self, text: str) -> bool:
        """Say whether a condition is true; where there is nothing to measure it is not."""
        return bool(self.number(text) == 1.0)

    def sides(self, text: str) -> tuple[float, ...]:
        """Return the numbers that a condition compares, for the record; () of a joint one."""
        tree = parse(text)
        if not isinstance(tree, Binary) or tree.sign in ("and", "or"):
            return ()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return float(self._tissue(tree.left)), float(self._tissue(tree.right))

    def _tissue(self, node: Node) -> Array:
        match node:
            case Number() | Text():
                return np.asarray(literal(node)[0])
            case Word():
                return self._quantity(node.name)
            case Unary(sign, of):
                return -self._tissue(of) if sign == "-" else 1.0 - self._tissue(of)
            case Binary():
                return _joined(node.sign, self._tissue(node.left), self._tissue(node.right))
            case Call():
                return self._called(node)

    def _quantity(self, name: str) -> Array:
        if name == "time":
            return np.asarray(self.body.tick * self.world.scenario.tick)
        if name not in self._quantities:
            self._quantities[name] = self._tissue(parse(self.world.scenario.observe.quantities[name]))
        return self._quantities[name]

    def _called(self, node: Call) -> Array:
        name, options = node.name, node.options
        if name in MATHS:
            return np.asarray(getattr(np, name)(self._tissue(node.given[0])), dtype=np.float64)
        if name in LEVELS:
            drug = list(self.world.scenario.drugs).index(names(node.given)[0])
            return np.asarray(self.body.stores[name][drug])
        inside_of = set(names(options.get("compartment", ()))) or set(self.world.scenario.compartments)
        homes = [home for home in self.homes if home.name in inside_of]
        if name in FIELDS:
            return np.asarray(_field(self.world, homes, node))
        types = names(options.get("cell_type", ()))
        if name in PAIRS:
            one, other = names(node.given)
            return np.asarray(_pair(homes, one, other, name))
        if name == "mean_degree":
            return np.asarray(_mean(np.concatenate([_degree(home)[_who(home, types)] for home in homes])))
        if name in CLONES:
            founders = np.concatenate([home.cells.extra[FOUNDER][_who(home, types)] for home in homes])
            return np.asarray(_clones(founders, name))
        dead = names(options.get("dead", ())) == ("true",)
        rows = [_who(home, types, dead=dead) & _in_groups(home, options) for home in homes]
        values = np.concatenate([self._of_cells(node, home)[r] for home, r in zip(homes, rows, strict=True)])
        percent = number_of(node.given[1]) if name == "percentile" else None
        by = names(options.get("by", ()))
        if not by:
            return np.asarray(_statistic(name, values, percent))
        labels = groups_of(self.world, by[0])
        split = np.concatenate([_labels(home, by[0])[r] for home, r in zip(homes, rows, strict=True)])
        return np.array([_statistic(name, values[split == label], percent) for label in labels])

    def _of_cells(self, node: Call, home: Compartment) -> Array:
        """Return what a statistic is taken of, (cell,)."""
        if not node.given:
            return np.ones(home.cells.n)
        return np.broadcast_to(np.asarray(self._cell(node.given[0], home), dtype=np.float64), home.cells.n)

    def _cell(self, node: Node, home: Compartment) -> Array:
        match node:
            case Number() | Text():
                return np.asarray(literal(node)[0])
            case Word():
                return self._cell_word(node, home)
            case Unary(sign, of):
                return -self._cell(of, home) if sign == "-" else 1.0 - self._cell(of, home)
            case Binary():
                return _joined(node.sign, self._cell(node.left, home), self._cell(node.right, home))
            case Call():
                return np.asarray(getattr(np, node.name)(self._cell(node.given[0], home)), dtype=np.float64)

    def _cell_word(self, node: Word, home: Compartment) -> Array:
        cells, name = home.cells, node.name
        match node.kind:
            case "gene":
                return self._counted(home)[1][name]
            case "program":
                genes = self._counted(home)[1]
                program = self.world.scenario.observe.programs[name]
                return np.asarray(np.mean([np.log1p(genes[g]) for g in program], axis=0))
            case "dose" | "time_since":
                known = self.world.perturbations_of(home.name)
                if name not in known:  # of another world model
                    return np.full(cells.n, np.nan)
                values: Array = getattr(cells, node.kind)[:, known.index(name)]
                return values
            case "concentration":
                field = home.concentration[self.world.substances.index(name)].ravel()
                return np.asarray(field[home.grid.voxel_of(cells.position)])
        match name:
            case "library_size":
                return self._counted(home)[0]
            case "degree":
                return _degree(home)
            case "age":
                return np.asarray((self.body.tick - cells.birth) * self.world.scenario.tick, dtype=np.float64)
            case "x" | "y" | "z":
                axis = "xyz".index(name)
                return np.asarray(cells.position[:, axis] - home.grid.origin[axis])
            case "volume":
                return cells.volume
        return np.asarray(cells.extra[name] if name in cells.extra else getattr(cells, name), dtype=np.float64)

    def _counted(self, home: Compartment) -> tuple[Array, dict[str, Array]]:
        """Return library sizes and counts per 10,000 of every gene that an expression names, each (cell,)."""
        if home.name not in self._expression:
            total, found = np.zeros(home.cells.n), np.zeros((home.cells.n, len(self._genes)))
            axis = self.world.models[home.name].genes
            there = [i for i, gene in enumerate(self._genes) if gene in axis]
            index = [axis.index(self._genes[i]) for i in there]
            for rows in home.expression.slices():
                counts = home.expression.counts(rows, home.cells.id)
                total[rows] = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
                found[rows.start : rows.stop, there] = counts[:, index].toarray()
            found[:, [i for i in range(len(self._genes)) if i not in there]] = np.nan  # of another world model
            found *= (1e4 / np.maximum(total, 1.0))[:, None]
            self._expression[home.name] = total, {gene: found[:, i] for i, gene in enumerate(self._genes)}
        return self._expression[home.name]


def genes_wanted(world: World, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the genes that expressions, and the quantities that they name, are made of."""
    observe = world.scenario.observe
    found: dict[str, None] = {}
    waiting, seen = list(texts), set[str]()
    while waiting:
        text = waiting.pop()
        if text in seen:
            continue
        seen.add(text)
        for node in nodes(parse(text)):
            if not isinstance(node, Word):
                continue
            if node.kind == "gene":
                found[node.name] = None
            elif node.kind == "program":
                found |= dict.fromkeys(observe.programs[node.name])
            elif node.name in observe.quantities:
                waiting.append(observe.quantities[node.name])
    return tuple(found)


def _joined(sign: str, left: Array, right: Array) -> Array:
    if sign == "/":
        return np.asarray(np.where(right == 0.0, np.nan, left / np.where(right == 0.0, 1.0, right)))
    if sign in ("and", "or"):
        return np.asarray(np.minimum(left, right) if sign == "and" else np.maximum(left, right))
    return np.asarray(SIGNS[sign](left, right), dtype=np.float64)


def _who(home: Compartment, types: tuple[str, ...], *, dead: bool = False) -> Bool:
    """Return which cells count, (cell,): living, or dead ones, of these types or of all."""
    mine = home.cells.alive != dead
    return mine if not types else np.asarray(mine & np.isin(home.cells.type_names(), types))


def _in_groups(home: Compartment, options: Mapping[str, tuple[Node, ...]]) -> Bool:
    """Return which cells are in the niches, organoids and organs that are asked for, (cell,)."""
    inside_of = np.ones(home.cells.n, np.bool_)
    for kind in KINDS:
        if kind in options:
            inside_of &= np.isin(_labels(home, kind), names(options[kind]))
    return inside_of


def _labels(home: Compartment, by: str) -> NDArray[np.str_]:
    if by == "cell_type":
        return home.cells.type_names()
    if by in KINDS:
        codes, words = labels(home.groups, by, home.cells.group)
        return np.asarray((*words, ""))[codes]
    return home.cells.extra[by].astype(np.int64).astype(np.str_)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _statistic(name: str, values: Array, percent: float | None) -> float:
    """Return a statistic of numbers of cells; of nobody a count is 0 and the rest is NaN."""
    if name in ("count", "sum"):
        return float(values.sum())
    if not len(values):
        return float("nan")
    if name == "percentile":
        assert percent is not None
        return float(np.percentile(values, percent))
    assert name == "share" or name in STATISTICS, name
    return float(getattr(np, "mean" if name == "share" else name)(values))


def _degree(home: Compartment) -> Array:
    """Return how many others each cell touches, (cell,)."""
    return np.asarray(np.diff(home.contacts.indptr), dtype=np.float64)


def _field(world: World, homes: list[Compartment], node: Call) -> float:
    """Return the mean, least or greatest concentration in a part of the boxes, or at a point, nM."""
    index = world.substances.index(names(node.given)[0])
    spots = []
    for home in homes:
        field, grid = home.concentration[index], home.grid
        if "at" in node.options:
            at = np.array([number_of(v) for v in node.options["at"]])[None, :]
            if inside(at, (0.0, 0.0, 0.0), tuple(grid.size))[0]:
                spots.append(field.ravel()[grid.voxel_of(at + np.asarray(grid.origin))])
            continue
        keep = []
        for k, axis in enumerate("xyz"):
            centres = grid.centres(k) - grid.origin[k]
            if axis in node.options:
                low, high = (number_of(v) for v in node.options[axis])
                keep.append((centres >= low) & (centres <= high))
            else:
                keep.append(np.ones(len(centres), dtype=np.bool_))
        spots.append(field[np.ix_(keep[2], keep[1], keep[0])].ravel())
    values = np.concatenate(spots) if spots else np.empty(0)
    if not len(values):
        return float("nan")
    if node.name == "field":
        return float(values.mean())
    return float(values.min() if node.name == "field_min" else values.max())


def _pair(homes: list[Compartment], one: str, other: str, name: str) -> float:
    """Return the contacts of two types over those that chance would give them; NaN where there are none to be.

    mixing : among cells of the two types alone, who could be anywhere among themselves. enrichment : among all cells,
    with the types shuffled (of one type with itself, too).
    """
    seen = expected = 0.0
    for home in homes:
        alive = home.cells.alive
        kind = home.cells.type_names()
        a, b = (kind == one) & alive, (kind == other) & alive
        pool = (a | b) if name == "mixing" else alive
        graph = home.contacts.tocoo()
        among = pool[graph.row] & pool[graph.col]
        row, col = graph.row[among], graph.col[among]
        n, n_a, n_b = (float(x.sum()) for x in (pool, a, b))
        if n < 2:
            continue
        if one == other:
            seen += float((a[row] & a[col]).sum())
            expected += len(row) * n_a * (n_a - 1) / (n * (n - 1))
        else:
            seen += float((a[row] & b[col]).sum())
            expected += len(row) * n_a * n_b / (n * (n - 1))
    return seen / expected if expected > 0 else float("nan")


def _clones(founders: Array, name: str) -> float:
    """Return a number of clones of living cells; founders : (cell,)."""
    size = np.unique(founders, return_counts=True)[1].astype(np.float64)
    if name == "clones" or not len(size):
        return float(len(size)) if name == "clones" else float("nan")
    if name == "effective_clones":
        return float(1.0 / ((size / size.sum()) ** 2).sum())
    return float(size.max() if name == "largest_clone" else size.mean())
