"""Variation operators, repair, mating and survival."""
