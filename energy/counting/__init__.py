"""Exact and published counts of events, and the memory that a design needs. No prices."""
