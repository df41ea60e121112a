"""Linked 32-bit little-endian programs: addresses and bytes of the segments that are loaded, and symbols.

pyelftools is optional and imported only when a program is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Executable:
    """A linked program.

    Attributes:
        segments: Physical addresses and bytes of what is loaded.
        symbols: Addresses by name.
    """

    segments: tuple[tuple[int, bytes], ...]
    symbols: Mapping[str, int]


def read_executable(path: Path) -> Executable:
    """Read a linked program.

    Raises:
        ValueError: The file is not a 32-bit little-endian ELF file.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with path.open("rb") as stream:
        try:
            file = ELFFile(stream)
        except ELFError as error:
            raise ValueError(f"{path} must be a 32-bit little-endian ELF file: {error}") from None
        if file.elfclass != 32 or not file.little_endian:
            order = "little" if file.little_endian else "big"
            raise ValueError(f"{path} must be a 32-bit little-endian ELF file, not {file.elfclass}-bit {order}-endian")
        segments = tuple(
            (int(segment["p_paddr"]), bytes(segment.data()))
            for segment in file.iter_segments("PT_LOAD")
            if segment["p_filesz"]
        )
        table = file.get_section_by_name(".symtab")
        entries = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
        symbols = {str(entry.name): int(entry["st_value"]) for entry in entries}
    return Executable(segments=segments, symbols=symbols)
