"""Latency, energy and memory of given plans, and lower limits for any plan."""
