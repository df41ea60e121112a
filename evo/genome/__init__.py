"""The joint genome of architecture and execution."""
