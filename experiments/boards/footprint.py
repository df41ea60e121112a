"""Memory of the engine on an MSP430, and the symbols that it needs from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.boards.exported import ExportedFolder
from experiments.boards.toolchains import compile_msp430, llvm_tool, run_tool


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of the engine alone, and symbols that it does not define itself.

    Attributes:
        text_bytes: Code and constants. [B]
        data_bytes: Initialised variables. [B]
        bss_bytes: Variables, nearly all of them the operand buffers of the program's plan. [B]
        undefined: Names of the symbols that other code must define.
    """

    text_bytes: int
    data_bytes: int
    bss_bytes: int
    undefined: tuple[str, ...]


def engine_footprint(folder: ExportedFolder, build: Path, *flags: str) -> Footprint:
    """Compile the engine of an exported folder for the MSP430 and measure it.

    Args:
        folder: The folder.
        build: Folder of the object file.
        flags: More flags of the compiler, such as -Os.

    Raises:
        MissingTools: The compiler or LLVM's llvm-size and llvm-nm are not installed.
    """
    size, names = llvm_tool("llvm-size"), llvm_tool("llvm-nm")
    engine = build / "engine.o"
    compile_msp430(folder.path, folder.path / "runtime" / "ebb.c", engine, flags)
    sizes = run_tool([size, engine]).splitlines()[1].split()
    undefined = tuple(line.split()[-1] for line in run_tool([names, "-u", engine]).splitlines())
    return Footprint(
        text_bytes=int(sizes[0]), data_bytes=int(sizes[1]), bss_bytes=int(sizes[2]), undefined=tuple(sorted(undefined))
    )
