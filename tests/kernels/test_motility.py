"""Crawling cells: their chance is the stream's, their walk the law's, their direction the gradient's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.kernels.blocks import Crew
from twin.kernels.motility import Motility, Scent, crawl, gradient, keyed_uniform
from twin.kernels.random import Stream, Streams

Float = NDArray[np.float64]
ORIGIN = np.array([-10.0, 5.0, 0.0])


def ways(n: int, dt: float, bias: float = 0.0, scent: Scent | None = None, plane: bool = False) -> tuple[Float, Float]:
    """Ways (µm) of n cells at 30 µm/h with a persistence of 0.5 h, and their directions at the end."""
    none, direction, way = np.zeros(n), np.zeros((n, 3)), np.empty((n, 3))
    motility = Motility(none + 30.0, none + 0.5, none + bias, direction, Streams(3, 1, 4), scent)
    ids, position = np.arange(n, dtype=np.uint64), np.tile(ORIGIN + 25.0, (n, 1))
    crawl(motility, position, ids, direction, dt, 0, plane, Crew(1), way)
    return way, direction


@given(key=st.integers(0, 2**64 - 1), id=st.integers(0, 2**64 - 1), index=st.integers(0, 50))
def test_the_compiled_draw_is_the_streams(key: int, id: int, index: int) -> None:
    expected = Stream(key).uniform_at(np.array([id], np.uint64), np.array([index], np.uint64))[0]
    assert keyed_uniform(np.uint64(key), np.uint64(id), index) == expected


@pytest.mark.parametrize("plane", [False, True])
def test_directions_are_even_over_the_sphere_or_the_circle(plane: bool) -> None:
    n = 40_000
    _, u = ways(n, 1e-9, plane=plane)
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1.0, rtol=1e-12)
    axes, of_axes = (2, 2) if plane else (3, 3)
    assert np.abs(u.mean(axis=0)).max() < 5 / np.sqrt(of_axes * n)
    assert (u[:, :axes] ** 2).mean(axis=0) == pytest.approx(1 / of_axes, abs=5 / np.sqrt(n))


@pytest.mark.parametrize("dt", [0.05, 0.5, 5.0])
def test_one_step_of_any_length_has_the_mean_square_of_the_walk(dt: float) -> None:
    n, tau = 20_000, 0.5
    square = (ways(n, dt)[0] ** 2).sum(axis=1)
    law = 2 * 30.0**2 * tau**2 * (dt / tau - 1 + np.exp(-dt / tau))
    assert square.mean() == pytest.approx(law, abs=5 * float(square.std()) / np.sqrt(n))


def test_the_gradient_of_a_linear_field_is_exact_inside() -> None:
    z, y, x = np.meshgrid(np.arange(6.0), np.arange(7.0), np.arange(8.0), indexing="ij")
    field = 3.0 + 2.0 * x - 1.0 * y + 0.5 * z
    position = ORIGIN + 10.0 * np.random.default_rng(0).uniform(1.0, 5.0, (50, 3))
    np.testing.assert_allclose(gradient(field, position, ORIGIN, 10.0), np.tile([0.2, -0.1, 0.05], (50, 1)), rtol=1e-9)


def test_the_gradient_converges_at_second_order() -> None:
    errors = []
    for n in (10, 20, 40):
        centre = (np.arange(n) + 0.5) * 100.0 / n
        field = np.sin(centre / 30.0)[None, None, :].repeat(3, 0).repeat(3, 1)
        position = np.stack([np.linspace(30, 70, 41), np.full(41, 1.5), np.full(41, 1.5)], axis=1)
        found = gradient(field, position, np.zeros(3), 100.0 / n)[:, 0]
        errors.append(np.abs(found - np.cos(position[:, 0] / 30) / 30).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.5)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.5)


def test_full_bias_goes_along_the_weighted_sum_of_normalised_gradients() -> None:
    one = np.arange(6.0)[None, None, :].repeat(6, 0).repeat(6, 1)  # rises along x
    two = 1e6 * np.arange(6.0)[None, :, None].repeat(6, 0).repeat(6, 2)  # rises along y, a million times as steeply
    scent = Scent(np.stack([one, two]), np.tile([3.0, -4.0], (2, 1)), ORIGIN, 10.0)
    _, u = ways(2, 0.1, bias=1.0, scent=scent)
    np.testing.assert_allclose(u, np.tile([0.6, -0.8, 0.0], (2, 1)), atol=1e-12)


def test_a_level_field_draws_nobody() -> None:
    level = np.full((1, 6, 6, 6), 38.0) * (1 + 1e-15 * np.random.default_rng(0).normal(size=(1, 6, 6, 6)))
    scent = Scent(level, np.ones((100, 1)), ORIGIN, 10.0)
    np.testing.assert_array_equal(ways(100, 1.0, 0.5, scent)[1], ways(100, 1.0, 0.5)[1])
    np.testing.assert_array_equal(ways(100, 1.0, 1.0, scent)[0], 0.0)


def test_a_cell_against_the_wall_still_smells() -> None:
    field = np.arange(6.0)[None, None, :].repeat(6, 0).repeat(6, 1)
    corner = np.array([[0.0, 0.0, 0.0], [60.0, 60.0, 60.0]])
    np.testing.assert_allclose(gradient(field, corner, np.zeros(3), 10.0), [[0.1, 0, 0], [0.1, 0, 0]], atol=1e-12)
