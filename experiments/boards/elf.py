"""ELF files of 32-bit little-endian programs, as far as an emulator needs them: what lies where, and symbols."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LOADED = 1
_SYMBOL_TABLE = 2


@dataclass(frozen=True, kw_only=True)
class Executable:
    """A linked program.

    Attributes:
        segments: Addresses and bytes of what is loaded.
        symbols: Addresses by name.
    """

    segments: tuple[tuple[int, bytes], ...]
    symbols: Mapping[str, int]


def read_executable(path: Path) -> Executable:
    """Read a linked program.

    Raises:
        ValueError: The file is no 32-bit little-endian ELF file.
    """
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x01\x01":
        raise ValueError(f"{path} must be a 32-bit little-endian ELF file")
    programs_at, sections_at = struct.unpack_from("<II", data, 28)
    program_size, n_programs, section_size, n_sections = struct.unpack_from("<4H", data, 42)
    segments = []
    for index in range(n_programs):
        kind, at, _, physical, n_bytes = struct.unpack_from("<5I", data, programs_at + index * program_size)
        if kind == _LOADED and n_bytes:
            segments.append((physical, data[at : at + n_bytes]))
    sections = [struct.unpack_from("<10I", data, sections_at + index * section_size) for index in range(n_sections)]
    symbols: dict[str, int] = {}
    for section in sections:
        if section[1] == _SYMBOL_TABLE:
            names_at = sections[section[6]][4]
            symbols |= _symbols(data, section[4], section[5], names_at)
    return Executable(segments=tuple(segments), symbols=symbols)


def _symbols(data: bytes, at: int, n_bytes: int, names_at: int) -> dict[str, int]:
    found = {}
    for entry in range(at, at + n_bytes, 16):
        name, value = struct.unpack_from("<II", data, entry)
        start = names_at + name
        found[data[start : data.index(b"\0", start)].decode()] = value
    return found
