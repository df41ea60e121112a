"""Pareto fronts, quality indicators, statistics, and the choice of one design."""
