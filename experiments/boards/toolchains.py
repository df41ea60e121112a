"""Compilers for the programs of emulated boards, and the messages where they are not installed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

_STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")
_BARE = ("-ffreestanding", "-fno-builtin", "-fdata-sections", "-ffunction-sections", "-nostdlib")
_M4_CPU = ("-mcpu=cortex-m4", "-mthumb")
_ZIG_CPU = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4")
_MSP430_CPU = ("--target=msp430", "-mhwmult=16bit")
_CLANG_VERSIONS = range(25, 14, -1)


class MissingTools(RuntimeError):
    """Missing tools of a board; the message names them and the packages that hold them."""


def missing_for_cortex_m4() -> str | None:
    """Return a message on the missing tools of the Cortex-M4 board; None where all are installed."""
    lacks = []
    if importlib.util.find_spec("unicorn") is None:
        lacks.append("the emulator unicorn (pip install unicorn)")
    lacks += _missing_reader()
    if not _m4_compiler():
        lacks.append("a compiler (apt-get install gcc-arm-none-eabi, or pip install ziglang)")
    return f"the Cortex-M4 board needs {' and '.join(lacks)}" if lacks else None


def missing_for_msp430() -> str | None:
    """Return a message on the missing tools of the MSP430 board; None where all are installed."""
    lacks = []
    if shutil.which("mspdebug") is None:
        lacks.append("the simulator mspdebug (apt-get install mspdebug)")
    lacks += _missing_reader()
    if _versioned("clang") is None:
        lacks.append("clang with its MSP430 back end (apt-get install clang-19)")
    if _versioned("ld.lld") is None:
        lacks.append("its linker (apt-get install lld-19)")
    return f"the MSP430 board needs {' and '.join(lacks)}" if lacks else None


def _missing_reader() -> list[str]:
    return [] if importlib.util.find_spec("elftools") else ["the reader of programs (pip install pyelftools)"]


def build_cortex_m4(folder: Path, program: Path) -> None:
    """Build the program of an exported folder for the emulated Cortex-M4.

    Raises:
        MissingTools: The compiler is not installed.
        ValueError: The program does not build, or is too large.
    """
    compiler = _m4_compiler()
    if not compiler:
        raise MissingTools(missing_for_cortex_m4())
    with _boards() as boards:
        sources = [*_engine(folder), *(boards / name for name in ("emulated.c", "cortex_m4.c", "memory.c"))]
        script = f"-Wl,-T,{boards / 'cortex_m4.ld'}"
        run_tool([*compiler, *_STRICT, *_BARE, *_includes(folder, boards), script, "-o", program, *sources])


def build_msp430(folder: Path, program: Path, *defined: str) -> None:
    """Build the program of an exported folder for the simulated MSP430, with these macros defined.

    Raises:
        MissingTools: The compiler or the linker is not installed.
        ValueError: The program does not build, or is too large.
    """
    linker = _versioned("ld.lld")
    if linker is None:
        raise MissingTools(missing_for_msp430())
    with _boards() as boards:
        sources = [*_engine(folder), *(boards / name for name in ("emulated.c", "msp430.S", "memory.c"))]
        objects = [program.with_name(f"{program.stem}-{source.name}.o") for source in sources]
        for source, compiled in zip(sources, objects, strict=True):
            compile_msp430(folder, source, compiled, tuple(f"-D{name}" for name in defined))
        run_tool([linker, "--gc-sections", "-T", boards / "msp430.ld", "-o", program, *objects])


def compile_msp430(folder: Path, source: Path, compiled: Path, flags: tuple[str, ...] = ()) -> None:
    """Compile one source of an exported folder or a board for an MSP430 with 16-bit addresses and a multiplier.

    Raises:
        MissingTools: The compiler is not installed.
        ValueError: The source does not compile.
    """
    clang = _versioned("clang")
    if clang is None:
        raise MissingTools(missing_for_msp430())
    with _boards() as boards:
        options = [*_MSP430_CPU, *_STRICT, *_BARE[:-1], *_includes(folder, boards), *flags]
        run_tool([clang, *options, "-c", "-o", compiled, source])


def run_tool(command: list[str | Path]) -> str:
    """Run a tool and return its output.

    Raises:
        ValueError: The tool fails; its first error is quoted.
    """
    answer = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if answer.returncode:
        lines = (answer.stderr or answer.stdout).strip().splitlines() or ["no message"]
        errors = [line for line in lines if "error" in line] or lines
        raise ValueError(f"{Path(command[0]).name} failed: {errors[0]}")
    return answer.stdout


def tool_versions() -> dict[str, str]:
    """Return the first line of the version text of each installed tool."""
    found = {name: _versioned(name) for name in ("clang", "ld.lld", "llvm-size", "llvm-nm")}
    found |= {name: shutil.which(name) for name in ("arm-none-eabi-gcc", "mspdebug")}
    return {name: run_tool([tool, "--version"]).splitlines()[0] for name, tool in found.items() if tool}


def llvm_tool(name: str) -> Path:
    """Return the path of a tool of LLVM.

    Raises:
        MissingTools: It is not installed.
    """
    found = _versioned(name)
    if found is None:
        raise MissingTools(f"{name} is not installed (apt-get install llvm-19)")
    return Path(found)


def _m4_compiler() -> list[str]:
    gcc = shutil.which("arm-none-eabi-gcc")
    if gcc:
        return [gcc, *_M4_CPU]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", *_ZIG_CPU]
    return []


def _versioned(name: str) -> str | None:
    """Return the newest installed version of a tool of LLVM; None where none is installed."""
    numbered = (shutil.which(f"{name}-{version}") for version in _CLANG_VERSIONS)
    return next((found for found in numbered if found), None) or shutil.which(name)


@contextmanager
def _boards() -> Iterator[Path]:
    with resources.as_file(resources.files("models.deploy") / "boards") as boards:
        yield boards


def _engine(folder: Path) -> list[Path]:
    return [folder / "model.c", folder / "runtime" / "ebb.c"]


def _includes(folder: Path, boards: Path) -> list[str]:
    return [f"-I{path}" for path in (folder, folder / "runtime", boards)]
