"""The error of configs."""

from __future__ import annotations


class ConfigError(ValueError):
    """A config that cannot be used; the message names the file, the key and the rule."""

    def __init__(self, file: str, key: str, message: str) -> None:
        """Join file, key and message in one line."""
        super().__init__(f"{file}: {key}: {message}" if key else f"{file}: {message}")
        self.file = file
        self.key = key
