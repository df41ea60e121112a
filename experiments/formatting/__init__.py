"""Quantities and tables as text."""
