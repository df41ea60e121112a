"""The engine and the PC's board, compiled once for the small programs of many tests.

An exported program compiles its sizes into the engine. Here they are looked up when the program runs, in a record that
each program brings along, so that only its tables are compiled and linked. The text of the engine is the exported one
but for the declarations in `PATCHES`, each of which must be found; folders whose engine was changed, and programs that
are too large, are compiled as a whole. Tests that compile by the folder's Makefile, with sizes compiled in, stay.
"""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
from importlib import resources
from pathlib import Path

from filelock import FileLock

from tests.conftest import ROOT

MOST_VM_WORDS, MOST_NVM_WORDS, MOST_LAYERS = 2**15, 2**18, 63
PATCHES = {
    "runtime/ebb.h": (
        ("extern const struct ebb_layer ebb_layers[EBB_N_LAYERS];", "extern const struct ebb_layer ebb_layers[];"),
        ("extern const int16_t ebb_weights[EBB_WEIGHT_WORDS];", "extern const int16_t ebb_weights[];"),
        ("int16_t words[EBB_VM_WORDS];", f"int16_t words[{MOST_VM_WORDS}];"),
    ),
    "boards/host.h": (
        ("layers[EBB_N_LAYERS + 1];", f"layers[{MOST_LAYERS} + 1];"),
        ("extern int16_t host_nvm[EBB_NVM_WORDS];", f"extern int16_t host_nvm[{MOST_NVM_WORDS}];"),
    ),
    "boards/host.c": (
        ("int16_t host_nvm[EBB_NVM_WORDS];", f"int16_t host_nvm[{MOST_NVM_WORDS}];"),
        ("sizeof ebb_vm.buffer;", "2u * EBB_VM_WORDS;"),
        ("sizeof host_nvm", "2u * EBB_NVM_WORDS"),
        ("sizeof ebb_weights", "2u * EBB_WEIGHT_WORDS"),
    ),
    "main.c": (
        ("static int16_t sample[N_INPUTS], outputs[N_OUTPUTS];", "int16_t sample[N_INPUTS], outputs[N_OUTPUTS];"),
        ("sizeof host_nvm", "2u * EBB_NVM_WORDS"),
        ("ebb_test_inputs[vector]", "(ebb_test_inputs + vector * N_INPUTS)"),
        ("ebb_test_inputs[0]", "ebb_test_inputs"),
        ("ebb_test_outputs[vector][i]", "(ebb_test_outputs + vector * N_OUTPUTS)[i]"),
    ),
    "runtime/ebb.c": (),
    "runtime/ebb_hal.h": (),
}
"""Sources of the engine and its board, with the declarations in which a size is a constant."""

VECTORS = """#include "model.h"
extern const int16_t ebb_test_inputs[], ebb_test_outputs[];
"""


def built_in_source(name: str) -> str:
    """Return the text of a source as an export writes it; `main.c` is one of the boards."""
    place = f"boards/{name}" if name == "main.c" else name
    return (resources.files("models.deploy") / place).read_text(encoding="utf-8")


def patched(name: str) -> str:
    """Return the text of a source in which sizes are looked up."""
    text = built_in_source(name)
    for before, after in PATCHES[name]:
        assert before in text, f"{name} no longer holds {before!r}"
        text = text.replace(before, after)
    return text


def constants(header: str) -> list[str]:
    """Return the names that a `model.h` defines."""
    return re.findall(r"^#define (EBB_\w+) \S", header, re.MULTILINE)


def lookups(names: list[str]) -> str:
    """Return the `model.h` of the shared engine: every constant is a member of a record of the program."""
    members = "\n".join(f"    uint32_t {name.lower()};" for name in names)
    defines = "\n".join(f"#define {name} (ebb_sizes.{name.lower()})" for name in names)
    return f"""#ifndef EBB_MODEL_H
#define EBB_MODEL_H
#include <stdint.h>
struct ebb_sizes {{
{members}
}};
extern const struct ebb_sizes ebb_sizes;
{defines}
#endif
"""


@functools.cache
def engine(compiler: str, names: tuple[str, ...]) -> Path:
    """Return the compiled engine and board, made by the first worker that needs them."""
    sources = {name: patched(name) for name in PATCHES}
    sources["model.h"], sources["test_vectors.h"] = lookups(list(names)), VECTORS
    digest = hashlib.sha256(repr((compiler, sorted(sources.items()))).encode()).hexdigest()[:16]
    folder = ROOT / ".pytest_cache" / f"engine-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "engine.o"
    with FileLock(folder / "lock"):
        if not made.exists():
            for name, text in sources.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text)
            (folder / "all.c").write_text('#include "runtime/ebb.c"\n#include "boards/host.c"\n#include "main.c"\n')
            command = [
                compiler,
                "-std=c99",
                "-O1",
                "-DEBB_COUNT",
                "-DEBB_N_TEST_VECTORS=(ebb_sizes.ebb_n_test_vectors)",
            ]
            command += ["-I.", "-Iruntime", "-Iboards", "-c", "-o", "unfinished.o", "all.c"]
            subprocess.run(command, cwd=folder, check=True)
            (folder / "unfinished.o").rename(made)
    return made


def fits(folder: Path) -> bool:
    """Return whether the shared engine can run the program of an exported folder: it is ours, and not too large."""
    if any((folder / name).read_text() != built_in_source(name) for name in PATCHES):
        return False
    header = (folder / "model.h").read_text()
    sizes = {name: int(re.search(rf"#define {name} (\d+)", header)[1]) for name in constants(header)}
    most = {"EBB_VM_WORDS": MOST_VM_WORDS, "EBB_NVM_WORDS": MOST_NVM_WORDS, "EBB_N_LAYERS": MOST_LAYERS}
    return all(sizes[name] <= limit for name, limit in most.items())


def link(folder: Path, compiler: str) -> None:
    """Compile the tables of an exported folder and link them to the shared engine."""
    names = [*constants((folder / "model.h").read_text()), "EBB_N_TEST_VECTORS"]
    members = ", ".join(f".{name.lower()} = {name}" for name in names)
    record = "struct ebb_sizes {" + " ".join(f"uint32_t {name.lower()};" for name in names) + "};"
    text = f'#include "model.c"\n#define static\n#include "test_vectors.h"\n#undef static\n{record}\n'
    (folder / "tables.c").write_text(text + f"const struct ebb_sizes ebb_sizes = {{{members}}};\n")
    command = [
        compiler,
        "-std=c99",
        "-O0",
        "-I.",
        "-Iruntime",
        "-o",
        "design",
        "tables.c",
        engine(compiler, tuple(names)),
    ]
    subprocess.run(command, cwd=folder, check=True)
