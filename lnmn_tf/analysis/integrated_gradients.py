"""Integrated Gradients along straight lines from alpha = 0, and how far a number of points suffices.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017; paper, section 4.2.
"""

from __future__ import annotations

import numpy as np

from lnmn_tf.analysis.probe import Probe, Weights
from lnmn_tf.errors import InputError

ENOUGH = 12.0  # beneath the largest alpha: softmax is 6e-6 of it


def quadrature(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Clenshaw-Curtis points in [0, 1], in rising order, and their weights, each [points].

    They converge fast on what is smooth, and every second point of 2 n + 1 is one of n + 1: so the
    convergence is seen without another gradient. One point is the middle.
    """
    if points < 1:
        raise InputError(f"points is {points}; expected at least 1 point of integration")
    if points == 1:
        return np.array([0.5]), np.array([1.0])
    intervals = points - 1
    angles = np.pi * np.arange(points) / intervals
    # Integrals of the Chebyshev polynomials over [0, 1]: those of odd degree are zero about the middle.
    degrees = np.arange(points)
    moments = np.where(
        degrees % 2 == 0, 1.0 / (1.0 - np.where(degrees == 1, 0, degrees) ** 2.0), 0.0
    )
    transform = np.cos(np.outer(angles, degrees))
    halves = np.where((degrees == 0) | (degrees == intervals), 0.5, 1.0)
    weights = 2.0 / intervals * halves * (transform @ (halves * moments))
    return (1.0 - np.cos(angles)) / 2.0, weights


def levels(points: int) -> list[int]:
    """Numbers of points whose rules are among those of so many, from few to `points`."""
    found = [points]
    while found[-1] > 3 and (found[-1] - 1) % 2 == 0:
        found.append((found[-1] - 1) // 2 + 1)
    return found[::-1]


def integrate(values: np.ndarray, count: int) -> np.ndarray:
    """The integral over [0, 1] of values at the points of a rule, by every n-th of them.

    Args:
        values: [points, ...].
        count: of `levels(points)`.

    Returns:
        [...].
    """
    step = 1 if len(values) == count else (len(values) - 1) // (count - 1)
    return np.tensordot(quadrature(count)[1], values[::step], axes=1)


def attribute_released(probe: Probe, inputs, points: int = 10) -> dict[str, np.ndarray]:
    """What the released script computes for a batch (`compute_module_ig.py`): [6] for each cell.

    It is not the quantity of section 4.2: operators have the weights alpha, without a softmax; F is each
    example's largest logit; nodes are added up, absolute values are taken for each batch, and the sum
    is over points 1/n, 2/n, .. 1. Where nodes are normalised, that sum does not converge.

    Args:
        probe: of the network.
        inputs: of a batch.
        points: n.
    """
    attributions = {}
    for cell in probe.cells:
        total = np.zeros_like(cell.alpha)
        for share in np.arange(1, points + 1) / points:
            with probe.alpha({cell.name: (share * cell.alpha).astype(np.float32)}):
                total += probe.largest_logit_gradient(inputs)[cell.name]
        attributions[cell.name] = np.abs((cell.alpha * total).sum(axis=0)) / points
    return attributions


def short(alpha: np.ndarray) -> np.ndarray:
    """alpha, [..., 6], but no entry further beneath the largest than `ENOUGH`.

    Its softmax is the same to 4e-5. After the choice alpha is 0 and -30 (`layers.nodes.chosen`). On the straight line to
    that, softmax changes in the first third alone, and most points would lie where nothing happens.
    """
    return np.maximum(alpha, alpha.max(axis=-1, keepdims=True) - ENOUGH)


def along(probe: Probe, path: str, share: float) -> Weights:
    """alpha on the way: `share` of it in the cell `path`, or in all cells ("all together")."""
    return {
        cell.name: (share * short(cell.alpha)).astype(np.float32)
        for cell in probe.cells
        if path in (cell.name, ALL)
    }


ALL = "all together"
