"""What the mechanics of a tissue is given and gives back: law of force, cells' traits, springs, space, results."""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Float = NDArray[np.float64]

REPULSION = 10.0 * 60.0  # µm/h; PhysiCell 1.14, cell_cell_repulsion_strength 10 µm/min
ADHESION = 0.4 * 60.0  # µm/h; PhysiCell 1.14, cell_cell_adhesion_strength 0.4 µm/min
ADHESION_RANGE = 1.25  # 1, of the sum of radii; PhysiCell 1.14, relative_maximum_adhesion_distance
REST_SPEED = 0.01  # µm/h; our choice: at this speed a lymphocyte needs 17 days to cross its own radius


@dataclass(frozen=True)
class MechanicsParams:
    """The law of force and the limits of the time step.

    repulsion, adhesion : µm/h, speeds at full overlap; adhesion is the smaller, or cells merge.
    adhesion_range : reach of adhesion as a multiple of the sum of radii, >= 1.
    rest_speed : µm/h; when no cell is faster, the tissue is at rest and the rest of the time is
        not computed: each cell is then misplaced by less than rest_speed × the time left.
    max_step : h; substeps are no longer than this, whatever stability allows.
    max_substeps : more than this is an error.
    fixed_step : h; instead of the adaptive step, this one, with Adams and Bashforth's second order as in
        PhysiCell; the first substep of a call, and each that would be unstable, is made by Heun's method.
    """

    repulsion: float = REPULSION
    adhesion: float = ADHESION
    adhesion_range: float = ADHESION_RANGE
    rest_speed: float = REST_SPEED
    max_step: float = np.inf
    max_substeps: int = 10_000
    fixed_step: float | None = None


@dataclass(frozen=True)
class Traits:
    """What differs from cell to cell; where not given, `MechanicsParams` holds for all.

    repulsion, adhesion : (cell,) µm/h, >= 0. adhesion_range : (cell,) of the cell's own radius, >= 0.
    affinity : (cell, type) factor on adhesion to cells of each type, >= 0; with cell_type : (cell,) codes.
    movable : (cell,) whom forces move; the others push and pull all the same.
    membrane_repulsion, membrane_adhesion : (cell,) µm/h; needed where there are membranes.
    """

    repulsion: Float | None = None
    adhesion: Float | None = None
    adhesion_range: Float | None = None
    affinity: Float | None = None
    cell_type: NDArray[np.integer] | None = None
    movable: NDArray[np.bool_] | None = None
    membrane_repulsion: Float | None = None
    membrane_adhesion: Float | None = None


@dataclass(frozen=True)
class Springs:
    """Linear springs between attached cells: v_i = k (d − rest) towards the other one.

    ends : (spring, 2) rows. rate : (spring,) k, 1/h. rest : (spring,) µm; 0 as in PhysiCell's elastic attachments.
    """

    ends: NDArray[np.integer]
    rate: Float
    rest: Float


@dataclass(frozen=True)
class Space:
    """Where cells are: a box with closed or periodic walls, membranes in it.

    low, high : (3,) µm, corners of the box; infinite where there is no wall.
    periodic : along x, y, z.
    plane : motion along x and y only; z stays as it is, and walls across z do not push.
    membranes : (membrane, 7), see `twin.kernels.forces.velocities`.
    """

    low: Float
    high: Float
    periodic: tuple[bool, bool, bool] = (False, False, False)
    plane: bool = False
    membranes: Float = field(default_factory=lambda: np.zeros((0, 7)))

    @property
    def period(self) -> Float:
        """After how many µm space repeats along each axis, (3,); 0 where it does not."""
        return np.where(self.periodic, self.high - self.low, 0.0) if any(self.periodic) else np.zeros(3)

    @property
    def walls(self) -> tuple[Float, Float]:
        """Low and high walls, (3,) µm each; infinite across a periodic axis, and across a plane."""
        none = np.asarray(self.periodic) | np.array([False, False, self.plane])
        return np.where(none, -np.inf, self.low), np.where(none, np.inf, self.high)

    def inside(self, position: Float) -> Float:
        """Return positions put into the box: to its nearest face, or round a periodic axis."""
        low, high = np.asarray(self.low, np.float64), np.asarray(self.high, np.float64)
        if any(self.periodic):
            length = np.where(self.periodic, high - low, 1.0)
            offset = position - np.where(self.periodic, low, 0.0)
            wrapped = position - np.floor(offset / length) * length
            position = np.where(self.periodic, wrapped, position)
        return np.asarray(np.clip(position, low, high), dtype=np.float64)


@dataclass(frozen=True)
class RelaxStats:
    """What a relaxation took: substeps, evaluations of all forces, and builds of the neighbour list.

    elapsed : h really integrated; less than asked for where the tissue came to rest.
    max_speed : µm/h, of the fastest cell when the velocities were last computed at a substep's start.
    """

    substeps: int
    evaluations: int
    rebuilds: int
    elapsed: float
    max_speed: float
    at_rest: bool


@dataclass(frozen=True)
class Moved:
    """Cells after a step.

    position : (cell, 3) µm. contacts : (cell, cell) CSR, 1 where two cells touch (`contact_graph`).
    pressure : (cell,) 1, PhysiCell's simple pressure: Σ (1 − d/R)² over overlaps, 1 in a dense packing of twelve.
    direction : (cell, 3) unit vectors of the cells' own motion, or None.
    """

    position: Float
    contacts: sp.csr_array
    pressure: Float
    direction: Float | None
    stats: RelaxStats
