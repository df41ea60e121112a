"""Slow oracles of indicators, by their definitions on plain numbers: all members of the reference against all designs.

`reference` must be a front already; values are (1 - accuracy, latency) pairs.
"""

import math


def normalised(values, reference):
    logs = [(error, math.log10(latency_s)) for error, latency_s in reference]
    low = [min(row[axis] for row in logs) for axis in (0, 1)]
    extent = [(max(row[axis] for row in logs) - low[axis]) or 1.0 for axis in (0, 1)]
    return [((e - low[0]) / extent[0], (math.log10(s) - low[1]) / extent[1]) for e, s in values]


def igd_plus(values, reference):
    points, targets = normalised(values, reference), normalised(reference, reference)
    nearest = [min(math.hypot(max(x - u, 0), max(y - v, 0)) for x, y in points) for u, v in targets]
    return sum(nearest) / len(nearest)


def additive_epsilon(values, reference):
    points, targets = normalised(values, reference), normalised(reference, reference)
    return max(min(max(x - u, y - v) for x, y in points) for u, v in targets)


def attained_by(fronts, point):
    """How many fronts have a member that is nowhere worse than the point."""
    return sum(any(x <= point[0] and y <= point[1] for x, y in front) for front in fronts)


def attainment_surface(fronts, least):
    """Non-dominated points among all grid crossings that at least so many fronts attain, sorted."""
    xs = sorted({x for front in fronts for x, _ in front})
    ys = sorted({y for front in fronts for _, y in front})
    attained = [(x, y) for x in xs for y in ys if attained_by(fronts, (x, y)) >= least]
    return [p for p in attained if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in attained)]
