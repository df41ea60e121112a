"""Event-driven simulation of a plan under a harvest trace."""
