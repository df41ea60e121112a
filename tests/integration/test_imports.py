"""Imports point in one direction, and commands that need no network training start without its libraries."""

import ast
import functools
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.fresh_python import loaded_modules

PACKAGES = ("energy", "models", "evo", "experiments")
"""From the bottom to the top: each may import itself and those before it."""

ROOMS = {
    "energy": (
        "validation",
        "jit_cache",
        "jit",
        "events",
        "networks",
        "hardware",
        "counting",
        "scheduling",
        "costing",
        "simulation",
        "planning",
        "precompile",
    ),
    "models": ("threads", "spaces", "data", "supernet", "evaluation", "training", "predictor", "exchange", "deploy"),
    "evo": (
        "objectives",
        "methods",
        "checkpoint",
        "synthetic_accuracy",
        "genome",
        "fronts",
        "problem",
        "operators",
        "search",
        "robust",
        "exhaustive",
    ),
    "experiments": (
        "formatting",
        "parallel",
        "storage",
        "config",
        "designs",
        "runs",
        "programs",
        "comparison",
        "figures",
        "report",
        "pipeline",
        "cards",
        "grids",
        "boards",
        "commands",
        "cli",
        "__main__",
    ),
}
"""Sub-packages and root modules of each package, bottom to top: each may import itself and those before it."""

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TORCH_FREE_MODULES = ("models/__init__.py", *(str(p.relative_to(ROOT)) for p in MODULES if "models/spaces" in str(p)))
HEAVY = ("torch", "pymoo", "moocore", "matplotlib", "bokeh", "pandas", "pyarrow")
COMPILER = ("numba", "llvmlite")


@functools.cache
def nodes_of(path):
    """Return all nodes of the syntax tree of a module."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@functools.cache
def imported_names(path):
    """Return the absolute names of all that a module imports anywhere, functions included."""
    names = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def top_of(name):
    """Return the first part of a dotted name."""
    return name.split(".")[0]


def test_no_arrow_turns_back():
    back = []
    for path in MODULES:
        above = {*PACKAGES[PACKAGES.index(path.relative_to(ROOT).parts[0]) + 1 :], "tests"}
        back += [f"{path.relative_to(ROOT)} imports {name}" for name in imported_names(path) if top_of(name) in above]
    assert not back, "a package must not import those above it"


def room_of(name, package):
    """The sub-package or root module that a dotted name of `package` lies in; None for names of other packages."""
    parts = name.split(".")
    return parts[1] if parts[0] == package and len(parts) > 1 else None


@pytest.mark.parametrize("package", ROOMS)
def test_no_arrow_between_sub_packages_turns_back(package):
    rooms = ROOMS[package]
    of_package = [path.relative_to(ROOT / package) for path in MODULES if path.is_relative_to(ROOT / package)]
    assert {path.parts[0].removesuffix(".py") for path in of_package} - {"__init__"} == set(rooms)
    back = []
    for path in of_package:
        room = path.parts[0].removesuffix(".py")
        for name in imported_names(ROOT / package / path):
            target = room_of(name, package)
            if target is not None and room != "__init__" and rooms.index(target) > rooms.index(room):
                back.append(f"{path} imports {name}")
    assert not back


def module_name(path):
    """Dotted name of a module; that of its package for an `__init__`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path, known):
    """Those modules of `known` that a module imports anywhere, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & known or {node.module}
    return found & known


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_import_each_other_in_no_circle_even_in_functions(package):
    paths = {module_name(path): path for path in MODULES if path.is_relative_to(ROOT / package)}
    graph = {name: imported_modules(path, paths.keys()) for name, path in paths.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def third_party(package):
    """Return the names of all libraries that a package imports."""
    names = {top_of(name) for path in MODULES if path.is_relative_to(ROOT / package) for name in imported_names(path)}
    return names - set(sys.stdlib_module_names) - set(PACKAGES)


def test_energy_knows_numpy_and_its_compiler_and_nothing_else():
    assert third_party("energy") == {"numba", "numpy"}


def test_models_know_nothing_of_the_search():
    assert not third_party("models") & {"pymoo", "moocore", "matplotlib", "pydantic", "pandas"}


def test_the_search_knows_nothing_of_torch():
    assert not third_party("evo") & {"torch", "safetensors", "pydantic", "matplotlib", "pandas"}
    names = {name for path in MODULES if path.is_relative_to(ROOT / "evo") for name in imported_names(path)}
    of_models = {name for name in names if top_of(name) == "models"}
    assert all(name == "models" or name.startswith("models.spaces") for name in of_models)


def test_pydantic_stays_in_experiments():
    assert all("pydantic" not in third_party(package) for package in ("energy", "models", "evo"))


def test_spaces_are_free_of_torch():
    assert len(TORCH_FREE_MODULES) > 1
    assert not [path for path in TORCH_FREE_MODULES if "torch" in map(top_of, imported_names(ROOT / path))]


@pytest.mark.parametrize("package", PACKAGES[:-1])
def test_nothing_below_experiments_prints_or_reads_clocks_or_environment(package):
    for path in MODULES:
        if path.is_relative_to(ROOT / package):
            nodes = nodes_of(path)
            names = {node.id for node in nodes if isinstance(node, ast.Name)}
            attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            assert not names & {"print", "input", "exit"}, path
            assert not attributes & {"environ", "getenv", "stdout", "stderr"}, path
            assert not {top_of(name) for name in imported_names(path)} & {"time", "datetime", "argparse"}, path


def command(*arguments):
    """Return the code that runs a command with these arguments."""
    return f"from experiments.cli import main\ntry:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass"


NO_PRICES = {"--help", "devices", "supplies", "spaces"}
"""Commands that price nothing and start without the compiler too."""

DESIGNS = str(Path(__file__).resolve().parents[1] / "golden" / "published_designs.json")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("price", DESIGNS, "--json"),
        ("plan", DESIGNS, "--select", "inas-2021/intpow_har_cap001_ts1"),
        ("plan", "--example"),
        ("devices",),
        ("supplies",),
        ("spaces",),
        ("network", "missing.onnx"),
        ("runs", "--root", str(Path(__file__).parent)),
    ],
    ids=lambda arguments: " ".join(Path(argument).name for argument in arguments[:2]),
)
def test_a_command_without_training_starts_without_heavy_libraries(arguments):
    loaded = loaded_modules(command(*arguments))
    assert not loaded & set(HEAVY)
    # where scipy is installed, the compiler looks up its version and its BLAS; the large rest of it is never loaded
    parts = {name.split(".")[1] for name in loaded if name.startswith("scipy.")}
    assert {part for part in parts if not part.startswith("_")} <= {"version", "linalg"}
    assert "scipy" not in loaded or set(COMPILER) <= loaded
    if arguments[0] in NO_PRICES:
        assert not loaded & {*COMPILER, "scipy"}


def test_scipy_serves_the_predictor_and_its_card_alone():
    users = {path.stem for path in MODULES if "scipy" in {top_of(name) for name in imported_names(path)}}
    assert users == {"agreement", "gaussian_process", "matern"}


def test_spaces_load_without_torch_and_the_search_too():
    assert "torch" not in loaded_modules("import models, models.spaces")
    names = [str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in MODULES if "evo/" in str(path)]
    assert "torch" not in loaded_modules("\n".join(f"import {name.removesuffix('.__init__')}" for name in names))


@pytest.mark.parametrize("name", ["choose", "table"])
def test_what_reads_a_finished_run_as_text_loads_neither_training_nor_drawing(name):
    assert not loaded_modules(command(name, "nowhere")) & {"torch", "pymoo", "matplotlib"}


def test_runs_are_compared_without_training_and_search():
    assert not loaded_modules(command("compare", "nowhere", "nowhere")) & {"torch", "pymoo"}


def test_a_check_sees_none_of_the_modules_of_the_one_before():
    assert "wave" in loaded_modules("import wave")
    assert "wave" not in loaded_modules("pass")
