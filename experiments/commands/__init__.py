"""The commands of `ebbnas`, one module per command."""
