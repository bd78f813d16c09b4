"""Cases of the verification suite: fields, alone and with cells."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.sparse.linalg import expm_multiply

from twin.engine.apply import Pending, apply_structure
from twin.kernels.diffusion import Walls, diffuse, diffuse_with_uptake
from twin.kernels.random import Streams
from twin.process import Structure
from twin.verification.biofvm import biofvm
from twin.verification.case import Case, Row
from twin.verification.tissue import Tissue

Float = NDArray[np.float64]

MINUTE = 1.0 / 60.0  # h
OXYGEN = 1e5 * 60.0  # µm²/h; D of PhysiCell's oxygen, 1e5 µm²/min
DECAY = 0.1 * 60.0  # 1/h; its decay, 0.1 /min
NO_FLOW = np.zeros(1)


def pure_decay() -> Iterator[Row]:
    """Yield what is left after 10 min of decay at 0.1 /min."""
    start, expected = np.ones((1, 3, 4, 5)), float(np.exp(-1.0))
    ours = diffuse(start, np.array([OXYGEN]), np.array([DECAY]), 10 * MINUTE, 20.0)
    peer = biofvm(start[0], OXYGEN, DECAY, 0.01 * MINUTE, 1000, 20.0)
    yield Row("left after 10 min", expected, float(ours.mean()), 1e-9, _peer(float(peer.mean()) - expected))


def cosine_mode() -> Iterator[Row]:
    """Yield the decay of a cosine mode in a cube, its order in space, and that steps do not matter."""
    rate = 3 * OXYGEN * (np.pi / 400) ** 2 + DECAY
    left = 100 * float(np.exp(-rate * 0.2 * MINUTE))
    ours = {n: _mode_left(n, 20) for n in (10, 20, 40)}
    peer = _amplitude(biofvm(_mode_field(20), OXYGEN, DECAY, 0.01 * MINUTE, 20, 20.0))
    yield Row(
        "mode left at dx 20, dt 0.01 min, %", left, ours[20], 0.01 * left, _peer(100 * (peer - left) / left, " %")
    )
    orders = [float(np.log2(abs(ours[n] - left) / abs(ours[2 * n] - left))) for n in (10, 20)]
    yield Row("order in space, dx 20 to 10", 2.0, orders[1], 0.05, "")
    once = _mode_left(20, 1)
    yield Row(
        "20 steps of 0.01 min against one of 0.2 min, relative", 0.0, ours[20] / once - 1, 1e-9, "1st order (BioFVM)"
    )
    random = np.random.default_rng(0)
    sink = 600.0 * random.random((1, 12, 12, 12))
    many, one = (_with_cells(sink, n) for n in (50, 1))
    yield Row("50 steps against one with uneven uptake of 0-10 /min, relative", 0.0, _far(many, one), 1e-6, "1st order")


def _mode_field(n: int) -> Float:
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    return np.asarray(1 + 0.5 * x[:, None, None] * x[:, None] * x)


def _amplitude(c: Float) -> float:
    """Return the mode's amplitude in a field, in % of that at the start."""
    mode = _mode_field(len(c)) - 1
    return 100 * float((c * mode).sum() / (mode**2).sum())


def _mode_left(n: int, n_steps: int) -> float:
    c = _mode_field(n)[None]
    for _ in range(n_steps):
        c = diffuse(c, np.array([OXYGEN]), np.array([DECAY]), 0.2 * MINUTE / n_steps, 400.0 / n)
    return _amplitude(c[0])


def _with_cells(sink: Float, n_steps: int) -> Float:
    c = np.full(sink.shape, 38.0)
    walls: list[Walls] = [(38.0, 38.0, "closed", "closed", "closed", "closed")]
    for _ in range(n_steps):
        c = diffuse_with_uptake(
            c, np.array([OXYGEN]), np.array([DECAY]), 0.5 * MINUTE / n_steps, 20.0, sink, walls=walls
        ).field
    return c


def slab() -> Iterator[Row]:
    """Yield steady oxygen in a slab between held faces: in medium, and in tumour with uptake of 10 /min."""
    for what, uptake, length in (("medium", 0.0, 1000.0), ("tumour", 9.9, 100.0)):
        middle = 38.0 / float(np.cosh(300.0 / length))
        error = []
        for n in (31, 93):  # odd: a voxel in the middle
            c, law = _slab(n, uptake * 60.0, length)
            error.append(float(np.max(np.abs(c - law))))
        yield Row(f"middle of {what}, decay length {length:g} um", middle, float(c[46]), 2e-3 * middle)
        order = float(np.log(error[0] / error[1]) / np.log(3))
        yield Row(f"order in space, {what}", 2.0, order, 0.1)


def _slab(n: int, uptake: float, length: float) -> tuple[Float, Float]:
    x = (np.arange(n) + 0.5) * 600.0 / n
    law = 38.0 * np.cosh((x - 300.0) / length) / np.cosh(300.0 / length)
    start = np.zeros((1, 1, 1, n))
    walls: list[Walls] = [(38.0, 38.0, "closed", "closed", "closed", "closed")]
    c = diffuse_with_uptake(
        start, np.array([OXYGEN]), np.array([DECAY]), 1.0, 600.0 / n, start + uptake, walls=walls, quasi_steady="always"
    ).field
    return c[0, 0, 0], np.asarray(law)


def point_source() -> Iterator[Row]:
    """Yield the steady field around a voxel that releases, along an axis and a diagonal."""
    n, h, length = 61, 10.0, 60.0
    diffusivity, released = 1e5, 1e6  # µm²/h and nM µm³/h
    decay = diffusivity / length**2
    source = np.zeros((1, n, n, n))
    source[0, n // 2, n // 2, n // 2] = released / h**3
    c = diffuse_with_uptake(
        0 * source, np.array([diffusivity]), np.array([decay]), 1.0, h, 0 * source, source=source, quasi_steady="always"
    ).field[0]
    for what, steps in (("an axis", (0, 0, 12)), ("a diagonal", (7, 7, 7))):
        r = h * float(np.linalg.norm(steps))
        law = released / (4 * np.pi * diffusivity * r) * np.exp(-r / length)
        place = tuple(n // 2 + k for k in steps)
        yield Row(f"nM at {r:.1f} um along {what}", float(law), float(c[place]), 0.02 * float(law))
    yield Row("all there is over what is released / decay", 1.0, float(c.sum()) * h**3 * decay / released, 1e-7)


def free_spread() -> Iterator[Row]:
    """Yield how the variance of a Gaussian grows, and its mass."""
    n, h, diffusivity, time = 60, 10.0, 6000.0, 0.1
    x = (np.arange(n) - (n - 1) / 2) * h
    bell = np.exp(-(x**2) / (2 * 30.0**2))
    start = (bell[:, None, None] * bell[:, None] * bell)[None]
    c = diffuse(start, np.array([diffusivity]), NO_FLOW, time, h)
    for axis, name in enumerate("zyx"):
        grown = _variance(c[0], axis, x) - _variance(start[0], axis, x)
        yield Row(f"growth of the variance along {name}, um^2", 2 * diffusivity * time, grown, 1e-3)
    yield Row(
        "mass at the end over that at the start", 1.0, float(c.sum() / start.sum()), 1e-12, "4.6e-14 (pyphysicell)"
    )


def _variance(c: Float, axis: int, x: Float) -> float:
    profile = c.sum(axis=tuple({0, 1, 2} - {axis}))
    return float((profile * x**2).sum() / profile.sum())


def every_molecule() -> Iterator[Row]:
    """Yield field + cells over what was there: after uptake, a division, a death and a removal."""
    tissue = Tissue(
        12,
        {"exchange": {"release_at_death": 1.0}, "internalisation": {}, "diffusion": {}},
        substances={"oxygen": {"diffusivity": "1e5 um^2/min", "initial": "50 uM"}},
        cell_types={"cell": {"oxygen uptake": "50 /min"}},
    )
    home, volume = tissue.home, 20.0**3
    start = float(home.concentration.sum()) * volume * 1e-6  # amol

    def whole() -> float:
        return (float(tissue.home.concentration.sum()) * volume * 1e-6 + float(tissue.column(held).sum())) / start

    held = "internalised_oxygen"
    tissue.run(6)
    yield Row("share that cells have taken up after 36 min", 1.0, float(tissue.column(held).sum()) / start, 2e-3)
    yield Row("all, after uptake", 1.0, whole(), 1e-12)
    divides = Pending([("test", Structure(divide=np.arange(3)))])
    apply_structure(home, divides, tissue.body.tick, Streams(0, 0, tissue.body.tick))
    yield Row("cells after three divisions", 15.0, float(home.cells.n), 0.0)
    yield Row("all, after three divisions", 1.0, whole(), 1e-12)
    home.cells.alive[:5] = False
    tissue.run(1)
    yield Row("all, after five deaths that give back", 1.0, whole(), 1e-12)


def one_sink() -> Iterator[Row]:
    """Yield the middle voxel of 27 with a sink in it, from a full and from an empty box."""
    yield from _sinks(3, 1, (0.1, 10.0))


def thousand_sinks() -> Iterator[Row]:
    """Yield the middle voxel of 1728 with 1000 sinks, from a full and from an empty box."""
    yield from _sinks(12, 10, (1.0, 10.0))


def _sinks(n: int, inside: int, times: tuple[float, ...]) -> Iterator[Row]:
    h, diffusivity, top, uptake = 20.0, 2000.0 * 60.0, 1e4, 2.0 * 60.0  # µm, µm²/h, nM, 1/h: 20 µM/min at 10 µM
    edge = (n - inside) // 2
    sink = np.zeros((n, n, n))
    sink[edge : n - edge, edge : n - edge, edge : n - edge] = uptake
    line = sp.diags_array([np.ones(n - 1), np.full(n, -2.0), np.ones(n - 1)], offsets=[-1, 0, 1]).tolil()
    line[0, 0] = line[n - 1, n - 1] = -3.0  # a wall held at half a voxel's distance
    one = sp.eye_array(n)
    laplacian = sp.kron(sp.kron(line, one), one) + sp.kron(sp.kron(one, line), one) + sp.kron(sp.kron(one, one), line)
    ends = np.zeros(n)
    ends[[0, -1]] += 2.0 * top
    inflow = ends[:, None, None] + ends[:, None] + ends
    matrix = sp.csr_array(diffusivity / h**2 * laplacian - sp.diags_array(sink.ravel()))
    whole = sp.vstack([sp.hstack([matrix, sp.csr_array(diffusivity / h**2 * inflow.reshape(-1, 1))]), _zeros(n**3 + 1)])
    for start in (top, 0.0):
        for time in times:
            c = np.full((1, n, n, n), start)
            ours = diffuse_with_uptake(
                c, np.array([diffusivity]), NO_FLOW, time * MINUTE, h, sink[None], walls=[(top,) * 6]
            ).field
            first = np.append(c.ravel(), 1.0)
            exact = expm_multiply(whole * (time * MINUTE), first, traceA=float(matrix.trace()) * time * MINUTE)
            exact = exact[:-1].reshape(n, n, n)
            what = f"uM in the middle at {time:g} min, from {'full' if start else 'empty'}"
            middle = (n // 2,) * 3
            yield Row(what, float(exact[middle]) / 1e3, float(ours[0][middle]) / 1e3, 1e-5)


def _zeros(n: int) -> sp.csr_array:
    return sp.csr_array((1, n))


# Schnakenberg's kinetics at a = 0.1, b = 0.9: the Jacobian at its steady state (1, 0.9)
JACOBIAN = np.array([[0.8, 1.0], [-1.8, -1.0]])
CRITICAL_RATIO, CRITICAL_SQUARE = 8.5676, 0.34164  # 1; 1/length², with D_u = 1 and γ = 1


def turing() -> Iterator[Row]:
    """Yield the critical ratio of diffusivities, its wavelength, and growth rates below and above it."""
    fits = np.pi / np.sqrt(CRITICAL_SQUARE)  # half a wavelength: the box
    yield Row("critical ratio of diffusivities", CRITICAL_RATIO, _critical_ratio(fits), 1e-3)
    lengths = fits * np.array([0.97, 1.0, 1.03])
    bend = np.polyfit(lengths, [_critical_ratio(length) for length in lengths], 2)
    yield Row("critical wavelength", 2 * fits, 2 * float(-bend[1] / (2 * bend[0])), 0.02)
    for ratio in (7.0, 12.0):
        law = float(np.linalg.eigvals(JACOBIAN - np.diag([1.0, ratio]) * CRITICAL_SQUARE).real.max())
        word = "decay" if law < 0 else "growth"
        yield Row(f"rate of {word} at a ratio of {ratio:g}", law, _growth(ratio, fits), 5e-5)


def _growth(ratio: float, length: float, n: int = 64, dt: float = 0.005) -> float:
    """Return the growth rate of a box's first mode, kinetics and our diffusion in turn (second order in dt)."""
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    start = np.tile((1.0 + 0.5 * x).reshape(1, 1, 1, n), (2, 1, 1, 1))
    after = diffuse(start, np.array([1.0, ratio]), np.zeros(2), dt, length / n)
    left = ((after - 1.0) * x).sum(axis=(1, 2, 3)) / (0.5 * x**2).sum()
    half = expm(JACOBIAN * dt / 2)
    return float(np.log(np.abs(np.linalg.eigvals(half @ np.diag(left) @ half)).max()) / dt)


def _critical_ratio(length: float) -> float:
    """Return the ratio at which a box's first mode neither grows nor decays, by bisection."""
    low, high = 2.0, 30.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if _growth(middle, length) > 0 else (middle, high)
    return (low + high) / 2


def _far(a: Float, b: Float) -> float:
    return float(np.max(np.abs(a - b)) / np.max(b))


def _peer(error: float, unit: str = "") -> str:
    return f"{abs(error):.3g}{unit} (BioFVM's scheme)"


CASES: tuple[Case, ...] = (
    Case("F1", "Pure decay, 0.1 /min, closed walls", "analytic", pure_decay),
    Case(
        "F2", "Cosine mode in a closed 400 um cube, D 1e5 um^2/min, 0.2 min", "analytic; BioFVM's design", cosine_mode
    ),
    Case("F3", "Steady oxygen in a 600 um slab, 38 at both faces", "analytic", slab),
    Case("F4", "Steady field of a point source with decay", "analytic", point_source),
    Case("F5", "Free spread of a Gaussian", "analytic", free_spread),
    Case(
        "F6",
        "Every molecule: uptake, division, death",
        "PhysiCell unit_tests/substrate_internalization",
        every_molecule,
    ),
    Case(
        "F7", "One first-order sink, 2 /min, 60 um cube, faces at 10 uM", "PerMedCoE one-sink; exact in time", one_sink
    ),
    Case("F7k", "The same with 1000 sinks in 240 um", "PerMedCoE 1k sinks; exact in time", thousand_sinks),
    Case("F9", "Turing instability of Schnakenberg, a 0.1, b 0.9", "linear stability analysis", turing),
)
