"""Cortex-M4 in the emulator unicorn: memory map of `models/deploy/boards/cortex_m4.ld`, stops at any instruction.

unicorn is optional and imported only here, when a processor is created.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from experiments.boards.elf import Executable, read_executable
from experiments.boards.exported import ExportedFolder
from experiments.boards.processor import lost_memory
from experiments.boards.toolchains import MissingTools, build_cortex_m4, missing_for_cortex_m4

_FLASH, _FLASH_BYTES = 0x0800_0000, 2 << 20
_RAM, _RAM_BYTES = 0x2000_0000, 128 << 10
_NVM, _NVM_BYTES = 0x6000_0000, 16 << 20
_N_REGISTERS = 13
_THUMB = 1
_NEVER = 1 << 40


class CortexM4:
    """Cortex-M4 with a program; an `experiments.boards.processor.Processor`."""

    def __init__(self, executable: Executable) -> None:
        unicorn: Any = import_module("unicorn")
        names: Any = import_module("unicorn.arm_const")
        self._registers = [getattr(names, f"UC_ARM_REG_R{index}") for index in range(_N_REGISTERS)]
        self._stack, self._link, self._next = (getattr(names, f"UC_ARM_REG_{name}") for name in ("SP", "LR", "PC"))
        self._core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._core.ctl_set_cpu_model(names.UC_CPU_ARM_CORTEX_M4)
        for start, n_bytes in ((_FLASH, _FLASH_BYTES), (_RAM, _RAM_BYTES), (_NVM, _NVM_BYTES)):
            self._core.mem_map(start, n_bytes)
        for address, data in executable.segments:
            self._core.mem_write(address, data)
        self._symbols = executable.symbols
        self._is_counting = False
        self._halt = executable.symbols["board_halt"] & ~1

    @classmethod
    def of(cls, folder: ExportedFolder, build: Path) -> CortexM4:
        """Build the program of an exported folder, in the folder `build`, and load it.

        Raises:
            MissingTools: unicorn or a compiler is not installed.
        """
        missing = missing_for_cortex_m4()
        if missing:
            raise MissingTools(missing)
        program = build / "cortex_m4.elf"
        build_cortex_m4(folder.path, program)
        return cls(read_executable(program))

    @property
    def symbols(self) -> Mapping[str, int]:
        """Addresses of the program by name."""
        return self._symbols

    def reset(self, rubbish: np.random.Generator) -> None:
        """Lose registers and RAM, and go to the first instruction, which the vector table gives."""
        self._core.mem_write(_RAM, lost_memory(rubbish, _RAM_BYTES))
        for register in (*self._registers, self._link):
            self._core.reg_write(register, int(rubbish.integers(2**32)))
        stack, first = (int.from_bytes(self.read(_FLASH + 4 * index, 4), "little") for index in range(2))
        self._core.reg_write(self._stack, stack)
        self._core.reg_write(self._next, first)

    def run(self, n_instructions: int | None) -> None:
        """Run a number of instructions, or with None until the program halts."""
        if n_instructions == 0:
            return
        # The emulator counts only in code that was translated for counting; other translated code is discarded first.
        if n_instructions is not None and not self._is_counting:
            self._core.ctl_flush_tb()
            self._is_counting = True
        count = _NEVER if n_instructions is None else n_instructions
        at = self._core.reg_read(self._next)
        self._core.emu_start(at | _THUMB, self._halt, count=count if self._is_counting else 0)

    @property
    def is_halted(self) -> bool:
        """Whether the program has halted."""
        return bool(self._core.reg_read(self._next) == self._halt)

    def read(self, address: int, n_bytes: int) -> bytes:
        """Return bytes of memory."""
        return bytes(self._core.mem_read(address, n_bytes))

    def write(self, address: int, data: bytes) -> None:
        """Write bytes into memory."""
        self._core.mem_write(address, data)
