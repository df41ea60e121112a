"""Exported C programs and their verification."""
