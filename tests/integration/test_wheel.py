"""A wheel of the project, installed in a clean environment, prices a design from another folder."""

import json
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("energy", "evo", "experiments", "models")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources so that the checkout stays as it is; no network is used."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=LEFT_OUT)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(out)]
    run([sys.executable, "-m", "pip", "wheel", *options, str(source)], cwd=source)
    (built,) = out.glob("*.whl")
    return built


def run(arguments, cwd, accepted=(0,)):
    done = subprocess.run(
        [str(argument) for argument in arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode in accepted, done.stderr
    return done


def test_the_wheel_holds_every_module_and_every_shipped_file(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    shipped = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "README.md"
    }
    assert shipped - packed == set()
    assert packed - shipped <= {"energy/README.md"}
    assert licences


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The environment holds the wheel and nothing else; what it depends on is lent by a .pth file."""
    folder = tmp_path_factory.mktemp("installed")
    environment = folder / "env"
    run([sys.executable, "-m", "venv", "--without-pip", environment], cwd=folder)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet"]
    run([*pip, wheel], cwd=folder)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment


def test_the_installed_wheel_prices_a_design_from_another_folder(installed, tmp_path):
    environment, elsewhere = installed, tmp_path
    python, command = environment / "bin" / "python", environment / "bin" / "ebbnas"
    shutil.copy(ROOT / "tests" / "golden" / "published_designs.json", elsewhere / "designs.json")

    where = run([python, "-c", "import energy; print(energy.__file__)"], cwd=elsewhere).stdout
    assert Path(where.strip()).is_relative_to(environment)

    done = run([command, "price", "designs.json", "--json"], cwd=elsewhere, accepted=(1,))
    results = json.loads(done.stdout)["results"]
    expected = json.loads((elsewhere / "designs.json").read_text(encoding="utf-8"))
    latencies_s = [entry["expected"]["latency_s"] for entry in expected]
    assert [result["latency_s"] for result in results] == [
        latency_s if latency_s is None else pytest.approx(latency_s, rel=1e-9, abs=0) for latency_s in latencies_s
    ]
    assert run([command, "devices"], cwd=elsewhere).stdout.strip()


@pytest.mark.slow
def test_the_installed_wheel_compiles_and_plans(installed, tmp_path):
    answer = json.loads(run([installed / "bin" / "ebbnas", "plan", "--example", "--json"], cwd=tmp_path).stdout)
    assert answer["feasible"]


def test_pinned_versions_lie_inside_the_ranges():
    pins = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = dict(requirement.split(">=") for requirement in project["dependencies"])
    assert pins.keys() == ranges.keys()
    for name, least in ranges.items():
        assert numbers(pins[name]) >= numbers(least), name


def numbers(version):
    return [int(part) for part in version.split(".")]
