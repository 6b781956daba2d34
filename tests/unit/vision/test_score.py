"""The raw score: a softened maximum of rows."""

from __future__ import annotations

import numpy as np
import pytest

from relook.vision.score import Score

ROWS = np.array([[0.0, 0.0], [3.0, -1.0], [-2.0, 900.0], [-1e4, -1e4 - 4]])


def of_rows(rows: np.ndarray, temperature: float) -> np.ndarray:
    return Score(np.eye(rows.shape[1]), np.zeros(rows.shape[1]), temperature).apply(rows)


def test_it_is_the_maximum_at_temperature_zero_and_near_it_close_to_it() -> None:
    assert np.array_equal(of_rows(ROWS, 0.0), ROWS.max(1))
    assert np.allclose(of_rows(ROWS, 1e-9), ROWS.max(1), atol=1e-8)


def test_it_nears_the_mean_at_high_temperature() -> None:
    assert of_rows(ROWS[:2], 1e6) == pytest.approx(ROWS[:2].mean(1), abs=1e-5)


def test_it_lies_between_mean_and_maximum_and_stays_finite_far_out() -> None:
    raw = of_rows(ROWS, 2.0)
    assert (raw <= ROWS.max(1)).all()
    assert (raw >= ROWS.mean(1)).all()
    assert raw[0] == 0.0
    assert raw[1] == pytest.approx(2 * np.log((np.exp(1.5) + np.exp(-0.5)) / 2))


def test_one_row_alone_is_itself() -> None:
    assert np.array_equal(of_rows(ROWS[:, :1], 2.0), ROWS[:, 0])


@pytest.mark.parametrize("row", [0, 1])
def test_it_rises_with_every_row(row: int) -> None:
    rows = np.zeros((50, 2))
    rows[:, row] = np.linspace(-5, 5, 50)
    assert (np.diff(of_rows(rows, 2.0)) > 0).all()


def test_a_larger_unit_gives_the_same_in_that_unit() -> None:
    assert np.allclose(7 * of_rows(ROWS, 2.0), of_rows(7 * ROWS, 14.0))
