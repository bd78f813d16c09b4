"""How alike two treatments are: of one agent, of related genes, at near doses and times, alone or together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.arms import Arm

Float = NDArray[np.float64]

FEATURE_POWER = 0.5  # of the cosine of features: gene sets share few words even for subunits of one receptor
DECADE = float(np.log(10.0))  # distance of doses at which likeness has fallen to exp(−1/2) of its dose-bound half
LEAST_COMBINATIONS = 4  # from which a background is told; our choice
COURSE_UNIT = 24.0  # h; before it a course is linear in time, after it logarithmic; our choice


@dataclass(frozen=True)
class Features:
    """Unit vectors of genes, drugs or proteins: what a perturbation never seen is known by.

    names : name to row. vectors : (row, feature) CSR, rows of length 1.
    """

    names: Mapping[str, int]
    vectors: sp.csr_array

    def cosines(self, rows: Sequence[str], columns: Sequence[str]) -> Float:
        """Return the cosines of names' features, not below 0, (row, column); 0 where one has none."""
        if not self.names:
            return np.zeros((len(rows), len(columns)))
        return np.asarray(np.maximum((self._of(rows) @ self._of(columns).T).toarray(), 0.0))

    def _of(self, names: Sequence[str]) -> sp.csr_array:
        at = np.array([self.names.get(name, -1) for name in names], dtype=np.intp)
        known = sp.csr_array(sp.diags_array((at >= 0).astype(np.float64)))
        return sp.csr_array(known @ self.vectors[np.maximum(at, 0)])


NO_FEATURES = Features({}, sp.csr_array((0, 1)))


@dataclass(frozen=True)
class Likeness:
    """Weights of the parts of a treatment's kernel; chosen by leaving treatments out (`twin.model.effects`).

    own : of being the same agent. feature : of related agents. mean : of being any treatment at all.
    together : of a combination's own deviation from the sum of its parts.
    sample : of any arm's own deviation: what one well or guide shows beside its treatment.
    dose : share of an agent's effect that is bound to the dose, [0, 1].
    background : agents that most combinations hold, such as a stimulus under which genes are knocked out; beside :
        variance of the other agents' effects, where that of the background's is 1.
    """

    own: float = 1.0
    feature: float = 0.0
    mean: float = 0.0
    together: float = 1.0
    sample: float = 0.0
    dose: float = 0.5
    background: tuple[str, ...] = ()
    beside: float = 1.0

    def kernel(self, rows: Sequence[Arm], columns: Sequence[Arm], features: Features = NO_FEATURES) -> Float:
        """Return K_A, (row, column): effects of a combination add, so its kernel sums over pairs of agents.

        Positive semidefinite where rows are columns: sums and products of kernels of agents, doses and times. What
        is not known, a dose or a time, stands in the geometric middle of those of the columns.
        """
        names = sorted({agent.name for arm in (*rows, *columns) for agent in arm.agents})
        middle = _middles(columns)
        a, b = _agents(rows, names, middle), _agents(columns, names, middle)
        agents = self._related(names, features)[np.ix_(a.name, b.name)] * (
            1.0 - self.dose + self.dose * _near(a.dose, b.dose)
        )
        keys = {arm.key: i for i, arm in enumerate((*rows, *columns))}
        own = np.equal.outer(*(np.array([keys[x.key] for x in arms], np.intp) for arms in (rows, columns)))
        several = np.array([len(x.agents) > 1 for x in rows], np.bool_)[:, None]
        total = a.member @ agents @ b.member.T + own * (self.sample + self.together * several)
        return np.asarray(total * _in_time(rows, columns))

    def _related(self, names: Sequence[str], features: Features) -> Float:
        """Return the kernel of agents at one dose, (name, name)."""
        same = np.eye(len(names))
        alike = _positive(np.maximum(features.cosines(names, names) ** FEATURE_POWER, same)) if self.feature else same
        size = np.array([1.0 if not self.background or name in self.background else self.beside for name in names])
        return np.asarray((self.own * same + self.feature * alike + self.mean) * np.sqrt(np.outer(size, size)))


def background_of(arms: Sequence[Arm]) -> tuple[str, ...]:
    """Return the agents that half or more of the arms hold, beside others."""
    several = [arm for arm in arms if len(arm.agents) > 1]
    names = sorted({agent.name for arm in several for agent in arm.agents})
    if len(several) < LEAST_COMBINATIONS:
        return ()
    return tuple(n for n in names if 2 * sum(any(a.name == n for a in arm.agents) for arm in several) >= len(several))


def several_doses(arms: Sequence[Arm]) -> bool:
    """Return whether any agent was given at several doses."""
    doses: dict[str, set[float]] = {}
    for agent in (agent for arm in arms for agent in arm.agents if agent.dose > 0):
        doses.setdefault(agent.name, set()).add(agent.dose)
    return any(len(known) > 1 for known in doses.values())


def _positive(alike: Float) -> Float:
    """Return the nearest kernel with ones on its diagonal: neither clipped cosines nor their roots need be one."""
    value, vector = np.linalg.eigh(alike)
    if value.min(initial=0.0) >= 0:
        return alike
    out = (vector * np.maximum(value, 0.0)) @ vector.T
    size = np.sqrt(np.diag(out))
    return np.asarray(out / np.outer(size, size))


@dataclass(frozen=True)
class _Agents:
    """The agents of some arms: member (arm, agent) is 1 where it is one of the arm's; name, dose (agent,).

    name : index. dose : log of its ratio to the middle dose of that name.
    """

    member: Float
    name: NDArray[np.intp]
    dose: Float


def _agents(arms: Sequence[Arm], names: Sequence[str], middle: Mapping[str, float]) -> _Agents:
    place = {name: i for i, name in enumerate(names)}
    listed = [(i, agent) for i, arm in enumerate(arms) for agent in arm.agents]
    member = np.zeros((len(arms), len(listed)))
    member[[i for i, _ in listed], np.arange(len(listed))] = 1.0
    dose = [float(np.log(x.dose)) - middle[x.name] if x.dose > 0 and x.name in middle else 0.0 for _, x in listed]
    return _Agents(member, np.array([place[x.name] for _, x in listed], np.intp), np.array(dose))


def _middles(arms: Sequence[Arm]) -> dict[str, float]:
    """Return the log of the geometric mean of each agent's known doses."""
    doses: dict[str, set[float]] = {}
    for agent in (agent for arm in arms for agent in arm.agents if agent.dose > 0):
        doses.setdefault(agent.name, set()).add(agent.dose)
    return {name: float(np.mean(np.log(sorted(known)))) for name, known in doses.items()}


def _near(x: Float, y: Float) -> Float:
    """Return the likeness of numbers by their ratio, from their logs, (row, column)."""
    return np.asarray(np.exp(-0.5 * ((x[:, None] - y[None, :]) / DECADE) ** 2))


def _in_time(rows: Sequence[Arm], columns: Sequence[Arm]) -> Float:
    """Return the kernel of times, (row, column): that of a Wiener process between courses, 0 between one and none."""
    course_row, course_column = (np.array([is_course(x) for x in arms], np.bool_) for arms in (rows, columns))
    plain = [x for x in columns if not is_course(x)]
    course = [x for x in columns if is_course(x)]
    near = _near(_positions(rows, plain, _plain_time), _positions(columns, plain, _plain_time))
    wiener = np.minimum.outer(_positions(rows, course, _course_time), _positions(columns, course, _course_time))
    both, one = np.logical_and.outer(course_row, course_column), np.logical_xor.outer(course_row, course_column)
    return np.where(both, wiener, np.where(one, 0.0, near))


def _positions(arms: Sequence[Arm], known: Sequence[Arm], position: Callable[[Arm], float]) -> Float:
    """Return where arms stand on a clock, (arm,); in the middle of the known ones' times where it is not known."""
    times = sorted({position(x) for x in known if x.time > 0})
    middle = float(np.mean(times)) if times else 1.0
    return np.array([position(x) if times and x.time > 0 else middle for x in arms])


def _plain_time(arm: Arm) -> float:
    return float(np.log(arm.time))


def is_course(arm: Arm) -> bool:
    """Return whether an arm is a time of a course: of development, or of a treatment that has no untreated cells."""
    return any(a.kind == "course" for a in arm.agents) or bool(np.isfinite(arm.since))


def _course_time(arm: Arm) -> float:
    """Return how far along a course is, 0 at its reference: a Wiener process in log time interpolates linearly."""
    if arm.since > 0:
        return float(np.log(max(arm.time / arm.since, 1.0)))
    return float(np.log1p(arm.time / COURSE_UNIT))
