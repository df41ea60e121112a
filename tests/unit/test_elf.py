"""The reader of linked programs, on a file built here byte by byte."""

import struct

import pytest

from experiments.boards.elf import read_executable


def executable(*, elf_class=1, byte_order=1):
    """Return an ELF file: a segment of four bytes, a segment without bytes, and the symbol `board_halt`."""
    code, names = b"\x01\x02\x03\x04", b"\0board_halt\0.shstrtab\0.symtab\0"
    at_programs = 52
    at_code = at_programs + 2 * 32
    at_names = at_code + len(code)
    at_symbols = at_names + len(names)
    at_sections = at_symbols + 2 * 16
    # Type 2 (executable), machine 105 (MSP430), version 1; sizes of headers as the standard has them.
    header = b"\x7fELF" + bytes((elf_class, byte_order, 1)) + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 105, 1, 0x4400, at_programs, at_sections, 0, 52, 32, 2, 40, 3, 1)
    # Segments: type 1 (loaded), offset, virtual and physical address, bytes in file and memory, flags, alignment.
    programs = struct.pack("<8I", 1, at_code, 0x1C00, 0x4400, len(code), len(code), 5, 1)
    programs += struct.pack("<8I", 1, at_code, 0x2000, 0x2000, 0, 64, 6, 1)
    symbols = bytes(16) + struct.pack("<IIIBBH", 1, 0x4402, 0, 0x10, 0, 1)
    # A section: name, type (3 names, 2 symbols), flags, address, offset, size, link, info, alignment, entry size.
    sections = bytes(40)
    sections += struct.pack("<10I", 12, 3, 0, 0, at_names, len(names), 0, 0, 1, 0)
    sections += struct.pack("<10I", 22, 2, 0, 0, at_symbols, len(symbols), 1, 1, 4, 16)
    return header + programs + code + names + symbols + sections


def test_loaded_bytes_lie_at_physical_addresses_and_symbols_have_theirs(tmp_path):
    (tmp_path / "program.elf").write_bytes(executable())
    found = read_executable(tmp_path / "program.elf")
    assert found.segments == ((0x4400, b"\x01\x02\x03\x04"),)
    assert found.symbols["board_halt"] == 0x4402


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", executable(byte_order=2), executable(elf_class=2)])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "program.elf").write_bytes(data)
    with pytest.raises(ValueError, match=r"program\.elf must be a 32-bit little-endian ELF file"):
        read_executable(tmp_path / "program.elf")
