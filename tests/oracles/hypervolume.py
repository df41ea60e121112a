"""Slow oracles of fronts: hypervolume by cutting the plane into cells, non-dominated rows by comparing all pairs."""

import itertools
import math


def dominates(a, b):
    """Whether point `a` is nowhere worse than `b` and somewhere better."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def non_dominated(points):
    """Which points no other dominates; of equal ones only the first."""
    return [
        not any(dominates(other, point) for other in points) and point not in points[:index]
        for index, point in enumerate(points)
    ]


def area(points, reference):
    """Area between points and a reference point: cells of the grid through all coordinates, each dominated or not."""
    inside = [point for point in points if point[0] < reference and point[1] < reference]
    xs = sorted({point[0] for point in inside} | {reference})
    ys = sorted({point[1] for point in inside} | {reference})
    total = 0.0
    for left, right in itertools.pairwise(xs):
        for low, high in itertools.pairwise(ys):
            if any(x <= left and y <= low for x, y in inside):
                total += (right - left) * (high - low)
    return total


def ratio_basis(values, reference_values):
    """Hypervolume by its definition, of (1 - accuracy, latency) pairs, in plain numbers."""
    kept = [row for row, keep in zip(reference_values, non_dominated(reference_values), strict=True) if keep]
    logs = [(error, math.log10(latency_s)) for error, latency_s in kept]
    low = [min(row[axis] for row in logs) for axis in (0, 1)]
    high = [max(row[axis] for row in logs) for axis in (0, 1)]
    extent = [(high[axis] - low[axis]) or 1.0 for axis in (0, 1)]
    points = [((e - low[0]) / extent[0], (math.log10(s) - low[1]) / extent[1]) for e, s in values]
    return area(points, 1.1)
