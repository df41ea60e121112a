"""Finished runs and their designs, read from disk."""
