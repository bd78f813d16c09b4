"""The mechanics of `twin.kernels.mechanics` in torch, on the device of its input: for large tissues on a GPU.

The same law, the same steps and the same chance; only who is near whom and what they do to each other is computed by
torch, every cell gathering over its own neighbours, so that no sum depends on the order in which threads come. The
draws of crawling cells are made on the processor. Tested on the processor's tensors against the compiled kernel to
1e-9; the test marked `gpu` does the same on a CUDA device.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from twin.kernels.forces import COINCIDENT, PRESSURE_SCALE, RADIUS, REACH, ROOT_ADHESION, ROOT_REPULSION, TYPE
from twin.kernels.mechanics import MechanicsParams, Moved, Space, Springs, Traits, move_cells
from twin.kernels.motility import Motility, crawl
from twin.kernels.neighbours import CONTACT_TOLERANCE, bins_of, graph_of
from twin.kernels.overdamped import Tissue

Float = NDArray[np.float64]


def move_cells_torch(
    position: Tensor,
    radius: Tensor,
    space: Space,
    params: MechanicsParams,
    duration: float,
    ids: NDArray[np.uint64] | None = None,
    traits: Traits | None = None,
    motility: Motility | None = None,
    springs: Springs | None = None,
) -> tuple[Tensor, Moved]:
    """Move cells as `move_cells` does, on the device of `position`.

    Returns
    -------
    position : (cell, 3) µm, float64, on that device.
    moved : all of the result, on the host.
    """
    moved = move_cells(
        position.detach().cpu().numpy().astype(np.float64),
        radius.detach().cpu().numpy().astype(np.float64),
        space,
        params,
        duration,
        ids,
        traits,
        motility,
        springs,
        make=on_device(position.device),
    )
    return torch.from_numpy(moved.position).to(position.device), moved


def on_device(device: torch.device | str) -> Callable[..., Tissue]:
    """Return what makes a tissue whose forces are computed on a device, for `move_cells`."""

    def make(*arguments: Any) -> Tissue:
        return TorchTissue(torch.device(device), *arguments)

    return make


class TorchTissue(Tissue):
    """Cells sorted in space whose bodies, velocities and lists of neighbours are tensors of a device."""

    def __init__(self, device: torch.device, *arguments: Any) -> None:
        self.device = device
        super().__init__(*arguments)

    def _begin(self) -> None:
        """Bring everything to the device."""
        affinity, movable, low, high, period, plane, membranes, strength, start, end, spring = self.laws
        self.bodies = self._tensor(self.body), self._tensor(self.body)
        self.body, self.other = self.bodies  # type: ignore[assignment]  # tensors from here on
        self.velocity = self._tensor(self.velocity)  # type: ignore[assignment]
        self.velocity_other = self._tensor(self.velocity_other)  # type: ignore[assignment]
        self.way = self._tensor(self.own)
        self.affinity = self._tensor(affinity) if len(affinity) else None
        self.moves = self._tensor(movable)
        self.corners = self._tensor(low), self._tensor(high)
        self.rounds = self._tensor(period) if bool((period > 0).any()) else None
        self.flat, self.surfaces, self.strength = bool(plane), membranes, self._tensor(strength)
        self.parted = self._tensor(self.parting)
        self.attached = self._padded_springs(start, end, spring) if len(start) else None
        self._list(self.body)

    def places(self) -> Float:
        """Return where the cells are, on the host, (cell, 3) µm."""
        return np.asarray(self._points(self.body).cpu().numpy())

    def contacts_and_pressure(self) -> tuple[sp.csr_array, Float]:
        """Return who touches whom (cell, cell) and each cell's pressure (cell,), in the caller's order."""
        self._list_if_strayed(self.body)
        body, near, real = self._bodies(self.body), self.near, self.real
        distance = torch.linalg.vector_norm(self._away(body, near), dim=2)  # (cell, neighbour)
        both = body[:, RADIUS, None] + body[near, RADIUS]
        overlap = torch.where(real, (1.0 - distance / both).clamp(min=0.0), 0.0)
        pressure = np.empty(self.n)
        pressure[self.order] = (overlap.square().sum(dim=1) / PRESSURE_SCALE).cpu().numpy()
        i, k = torch.nonzero(real & (distance < (1.0 + CONTACT_TOLERANCE) * both), as_tuple=True)
        row, other = self.order[i.cpu().numpy()], self.order[near[i, k].cpu().numpy()]
        by_row = np.lexsort((other, row))
        start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self.n))]).astype(np.int64)
        return graph_of(self.n, start, other[by_row].astype(np.int32)), pressure

    def _velocities(self, body: Any, result: Any) -> tuple[float, float]:
        self._list_if_strayed(body)
        self.evaluations += 1
        b: Tensor = self._bodies(body)
        away = self._away(b, self.near)  # (cell, neighbour, axis)
        distance = torch.linalg.vector_norm(away, dim=2)
        touch = b[:, RADIUS, None] + b[self.near, RADIUS]
        far = b[:, REACH, None] + b[self.near, REACH]
        pull = b[:, ROOT_ADHESION, None] * b[self.near, ROOT_ADHESION]
        push = b[:, ROOT_REPULSION, None] * b[self.near, ROOT_REPULSION]
        if self.affinity is not None:
            kind = b[:, TYPE].long()
            pull = pull * self.affinity.gather(1, kind[self.near]) * self.affinity[self.near, kind[:, None]]
        gap, overlap = (1.0 - distance / far).clamp(min=0.0), (1.0 - distance / touch).clamp(min=0.0)
        gap, overlap = torch.where(self.real, gap, 0.0), torch.where(self.real, overlap, 0.0)
        force = push * overlap.square() - pull * gap.square()
        slope = 2.0 * (push * overlap / touch - pull * gap / far)
        at_one = distance < COINCIDENT
        if bool((at_one & self.real).any()):
            parting = self.parted[:, None] - self.parted[self.near]
            away = torch.where(at_one[..., None], parting, away)
            distance = torch.linalg.vector_norm(away, dim=2)
        along = torch.where(self.real, force / distance.clamp(min=1e-300), 0.0)
        v = (along[..., None] * away).sum(dim=1)  # (cell, axis)
        stiffness = 2.0 * torch.maximum(slope.abs(), -along).sum(dim=1)
        stiffness = stiffness + self._walls(b, v) + self._membranes(b, v) + self._springs(b, v)
        if self.flat:
            v[:, 2] = 0.0
        v = torch.where(self.moves[:, None], v, 0.0)
        result.copy_(v)
        fastest = torch.linalg.vector_norm(v, dim=1).max()
        return float(fastest), float(torch.where(self.moves, stiffness, 0.0).max())

    def _walls(self, b: Tensor, v: Tensor) -> Tensor:
        """Add what walls do to `v`; return their stiffness, (cell,)."""
        own, repulsion = b[:, RADIUS, None], b[:, ROOT_REPULSION, None].square()
        total = torch.zeros(self.n, dtype=b.dtype, device=b.device)
        axes = 2 if self.flat else 3
        for distance, inward in ((b[:, :3] - self.corners[0], 1.0), (self.corners[1] - b[:, :3], -1.0)):
            overlap = (1.0 - distance / own).clamp(min=0.0)[:, :axes]
            v[:, :axes] += inward * repulsion * overlap.square()
            total = total + (2.0 * repulsion * overlap / own).sum(dim=1)
        return total

    def _membranes(self, b: Tensor, v: Tensor) -> Tensor:
        """Add what membranes do to `v`; return their stiffness, (cell,)."""
        total = torch.zeros(self.n, dtype=b.dtype, device=b.device)
        for x, y, z, *normal, radius in self.surfaces.tolist():
            from_it = b[:, :3] - torch.tensor([x, y, z], dtype=b.dtype, device=b.device)
            if radius > 0.0:
                way = torch.linalg.vector_norm(from_it, dim=1)
                unit = from_it / way.clamp(min=COINCIDENT)[:, None]
                distance = torch.where(way < COINCIDENT, torch.inf, way - radius)
            else:
                direction = torch.tensor(normal, dtype=b.dtype, device=b.device)
                distance, unit = from_it @ direction, direction.expand_as(from_it)
            unit = torch.where(distance[:, None] < 0.0, -unit, unit)
            distance = distance.abs()
            overlap = (1.0 - distance / b[:, RADIUS]).clamp(min=0.0)
            gap = (1.0 - distance / b[:, REACH]).clamp(min=0.0)
            push, pull = self.strength[:, 0], self.strength[:, 1]
            v += (push * overlap.square() - pull * gap.square())[:, None] * unit
            total = total + 4.0 * (push * overlap / b[:, RADIUS] - pull * gap / b[:, REACH]).abs()
        return total

    def _springs(self, b: Tensor, v: Tensor) -> Tensor:
        """Add what springs do to `v`; return their stiffness, (cell,)."""
        if self.attached is None:
            return torch.zeros(self.n, dtype=b.dtype, device=b.device)
        other, rate, rest = self.attached  # (cell, spring); the rate of a place without a spring is 0
        away = -self._away(b, other)
        distance = torch.linalg.vector_norm(away, dim=2)
        along = torch.where(distance > COINCIDENT, rate * (1.0 - rest / distance.clamp(min=COINCIDENT)), 0.0)
        v += (along[..., None] * away).sum(dim=1)
        return 2.0 * rate.sum(dim=1)

    def _move(self, velocity: Any, other: Any, of_velocity: float, of_other: float) -> None:
        x = self._points(self.body) + (of_velocity * velocity + of_other * other)
        if len(self.way):
            x = x + self.way
        x = torch.clamp(x, *self.corners)
        self._bodies(self.other)[:, :3] = x
        self.strayed = float(torch.linalg.vector_norm(x - self.stood, dim=1).max())

    def _crawl(self, dt: float, substep: int) -> None:
        if self.motility is not None:
            assert self.direction is not None
            crawl(self.motility, self.places(), self.names, self.direction, dt, substep, self.flat, self.crew, self.own)
            self.way = self._tensor(self.own)

    def _list(self, body: Any) -> None:
        """Make the list of neighbours: (cell, most) rows, and which of them are real."""
        self.stood = self._points(body).clone()
        self.near, self.real = self._neighbours(self.stood)
        self.strayed = 0.0
        self.rebuilds += 1

    def _neighbours(self, x: Tensor) -> tuple[Tensor, Tensor]:
        reach = self._tensor(self.list_reach)
        bins, shape = (
            torch.as_tensor(a, device=self.device)
            for a in bins_of(x.cpu().numpy(), 2.0 * float(self.list_reach.max()), self.period)
        )
        nx, ny, nz = (int(s) for s in shape)
        by_bin = torch.argsort(bins, stable=True)
        count = torch.bincount(bins, minlength=nx * ny * nz)
        start = torch.cumsum(count, 0) - count
        most = int(count.max())
        here = torch.stack([bins % nx, bins // nx % ny, bins // (nx * ny)], dim=1)  # (cell, axis)
        owners, others = [], []
        for step in np.ndindex(3, 3, 3):
            there, valid = here + torch.tensor(step, device=self.device) - 1, None
            for axis, size in enumerate((nx, ny, nz)):
                if self.period[axis] > 0.0 and size >= 3:
                    there[:, axis] %= size
                    continue
                if self.period[axis] > 0.0:  # one or two bins a period: each once
                    there[:, axis] = step[axis]
                inside = (there[:, axis] >= 0) & (there[:, axis] < size)
                valid = inside if valid is None else valid & inside
            flat = (there[:, 2] * ny + there[:, 1]) * nx + there[:, 0]
            flat = flat if valid is None else torch.where(valid, flat, 0)
            for slot in range(most):
                full = slot < count[flat]
                i = torch.nonzero(full if valid is None else full & valid).squeeze(1)
                j = by_bin[start[flat[i]] + slot]
                away = x[i] - x[j]
                if self.rounds is not None:
                    away = self._nearest(away)
                close = (away.square().sum(dim=1) < (reach[i] + reach[j]).square()) & (i != j)
                owners.append(i[close])
                others.append(j[close])
        owner, other = torch.cat(owners), torch.cat(others)
        order = torch.argsort(owner * self.n + other)
        owner, other = owner[order], other[order]
        degree = torch.bincount(owner, minlength=self.n)
        begin = torch.cumsum(degree, 0) - degree
        column = torch.arange(len(owner), device=self.device) - begin[owner]
        width = max(int(degree.max()), 1)
        near = torch.arange(self.n, device=self.device)[:, None].expand(-1, width).clone()  # itself where nobody is
        real = torch.zeros((self.n, width), dtype=torch.bool, device=self.device)
        near[owner, column] = other
        real[owner, column] = True
        return near, real

    def _padded_springs(self, start: Any, end: Any, spring: Any) -> tuple[Tensor, Tensor, Tensor]:
        degree = np.diff(start)
        column = np.arange(len(end)) - np.repeat(start[:-1], degree)
        row, shape = np.repeat(np.arange(self.n), degree), (self.n, int(degree.max()))
        other = np.tile(np.arange(self.n)[:, None], (1, shape[1]))
        rate, rest = np.zeros(shape), np.zeros(shape)
        other[row, column], rate[row, column], rest[row, column] = end, spring[:, 0], spring[:, 1]
        return self._tensor(other), self._tensor(rate), self._tensor(rest)

    def _away(self, b: Tensor, other: Tensor) -> Tensor:
        """Return the way from each of `other` (cell, k) to the cell, (cell, k, axis)."""
        away = b[:, None, :3] - b[other, :3]
        return away if self.rounds is None else self._nearest(away)

    def _nearest(self, away: Tensor) -> Tensor:
        assert self.rounds is not None
        return away - self.rounds * torch.round(away / torch.where(self.rounds > 0.0, self.rounds, torch.inf))

    def _tensor(self, array: Any) -> Tensor:
        return torch.as_tensor(np.array(array), device=self.device)

    @staticmethod
    def _bodies(body: Any) -> Tensor:
        assert isinstance(body, Tensor)
        return body

    def _points(self, body: Any) -> Tensor:
        return self._bodies(body)[:, :3]
