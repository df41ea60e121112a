"""Compiled functions: where their machine code lies, and that other packages do not notice."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from energy import jit_cache
from tests.conftest import ROOT

MODULES = sorted(path.relative_to(ROOT).with_suffix("") for path in (ROOT / "energy").rglob("*.py"))
NAMES = [".".join(path.parts).removesuffix(".__init__") for path in MODULES]
SMALL = """
from energy.hardware.recharge import RechargeLaw, recharge_law
from energy.jit import compiled
function = compiled(recharge_law)
print(round(float(function(1e-6, RechargeLaw(9.0, 100.0, 5.0, 3.5, 0.1))), 6))
print(function._cache.cache_path, dict(function.stats.cache_hits) != {})
"""


def python(code, cwd, *, package=ROOT, **environment):
    """Lines that a fresh Python prints, with nothing of this one's environment."""
    own = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join([str(package), sysconfig.get_paths()["purelib"], *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env={**own, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def package(tmp_path):
    """A folder with a copy of the package, without its caches."""
    shutil.copytree(ROOT / "energy", tmp_path / "lib" / "energy", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "lib"


def files_below(folder):
    return {path for path in folder.rglob("*") if path.suffix not in (".pyc", "") or path.name == "precompiled"}


def test_importing_changes_no_setting_of_the_compiler_and_no_file(package, tmp_path):
    stale = package / "energy" / "__pycache__" / "compiled-0123456789abcdef" / "kept.nbc"
    stale.parent.mkdir(parents=True)
    stale.touch()
    os.utime(stale.parent, (0, 0))
    before = files_below(package)
    code = f"""
from numba.core import config
settings = lambda: {{name: getattr(config, name) for name in dir(config) if name.isupper()}}
before = settings()
import {", ".join(NAMES)}
print(settings() == before)
"""
    home = tmp_path / "home"
    home.mkdir()
    assert python(code, tmp_path, package=package, HOME=str(home)) == ["True"]
    assert files_below(package) == before
    assert not list(home.iterdir())
    assert not list((package / "energy" / "__pycache__").glob("compiled-[!0]*"))


def test_a_cached_function_of_another_package_keeps_its_own_folder(tmp_path):
    (tmp_path / "own.py").write_text(
        "from numba import njit\nimport energy.costing.plan\n\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n"
    )
    lines = python("import own; print(own.twice(21), own.twice.stats.cache_path)", tmp_path, HOME=str(tmp_path))
    assert lines == [f"42 {tmp_path / '__pycache__'}"]
    assert list((tmp_path / "__pycache__").glob("own.twice-*.nbi"))


def test_machine_code_is_stored_in_the_package_and_found_again(package, tmp_path):
    value, first = python(SMALL, tmp_path, package=package)
    folder, was_found = first.split()
    assert Path(folder).is_relative_to(package / "energy" / "__pycache__")
    assert was_found == "False"
    assert python(SMALL, tmp_path, package=package) == [value, f"{folder} True"]


def test_the_digest_sees_every_source_and_its_place(package):
    digest = jit_cache.sources_digest(package / "energy")
    assert digest == jit_cache.sources_digest(ROOT / "energy")
    nested = package / "energy" / "counting" / "vm.py"
    content = nested.read_bytes()
    nested.write_bytes(content + b"\n")
    assert jit_cache.sources_digest(package / "energy") != digest
    nested.write_bytes(content)
    assert jit_cache.sources_digest(package / "energy") == digest
    nested.rename(nested.with_name("wm.py"))
    assert jit_cache.sources_digest(package / "energy") != digest


def test_without_sources_nothing_is_stored(tmp_path, monkeypatch):
    assert jit_cache.sources_digest(tmp_path) == ""
    monkeypatch.setattr(jit_cache, "_DIGEST", "")
    assert jit_cache.cache_folder.__wrapped__() is None


@pytest.fixture
def roots(monkeypatch, tmp_path):
    """Folders in place of the real ones: the first cannot be made, for a file is in its way."""
    (tmp_path / "file").touch()
    found = [tmp_path / "file" / "first", tmp_path / "second"]
    monkeypatch.setattr(jit_cache, "_roots", lambda: iter(found))
    return found


def test_the_first_folder_that_can_be_written_is_taken(roots):
    folder = jit_cache.cache_folder.__wrapped__()
    assert folder == roots[1] / folder.name
    assert folder.is_dir()


def test_a_folder_that_is_precompiled_is_taken_even_where_it_cannot_be_written(roots, monkeypatch):
    folder = jit_cache.cache_folder.__wrapped__()
    monkeypatch.setattr(jit_cache, "_can_write", lambda folder: False)
    assert jit_cache.cache_folder.__wrapped__() is None
    (folder / "precompiled").touch()
    assert jit_cache.cache_folder.__wrapped__() == folder


def test_a_temporary_folder_of_someone_else_is_not_trusted(tmp_path):
    folder = jit_cache._private_folder(tmp_path)
    assert folder == tmp_path / f"ebbnas-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o770)
    assert jit_cache._private_folder(tmp_path) is None
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert jit_cache._private_folder(tmp_path) is None


def test_only_what_nobody_used_for_a_month_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(jit_cache, "_roots", lambda: iter([tmp_path]))
    current = jit_cache.cache_folder.__wrapped__()
    monkeypatch.setattr(jit_cache, "cache_folder", lambda: current)
    now_s = current.stat().st_mtime
    for name, days in (("compiled-old", 31), ("compiled-new", 29), ("other", 1000)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (now_s - days * 86400,) * 2)
    jit_cache.remove_unused()
    assert {path.name for path in tmp_path.iterdir()} == {current.name, "compiled-new", "other"}


@pytest.mark.parametrize("has_temporary", [True, False])
def test_a_read_only_package_without_a_home_is_compiled(package, tmp_path, has_temporary):
    if os.getuid() == 0:
        pytest.skip("root may write everywhere; the next test becomes another user")
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    if not has_temporary:
        (temporary / f"ebbnas-{os.getuid()}").touch()  # not a folder of this user alone
    where = python(SMALL, temporary, package=package, HOME="/nonexistent", TMPDIR=str(temporary))[1].split()[0]
    assert (where == "None") == (not has_temporary)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root becomes another user")
def test_another_user_without_a_home_prices_a_plan():
    another = [shutil.which("setpriv"), "--reuid=54321", "--regid=54321", "--clear-groups"]
    site = sysconfig.get_paths()["purelib"]
    environment = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join([str(ROOT), site, *sys.path]),
    }
    code = f"from energy.jit_cache import cache_folder\nprint(cache_folder()){SMALL}"
    readable = subprocess.run([*another, sys.executable, "-c", "import numba"], env=environment, check=False)
    if readable.returncode:
        pytest.skip("another user may not read this checkout or its libraries")
    done = subprocess.run(
        [*another, sys.executable, "-c", code], env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    folder, value, _ = done.stdout.splitlines()
    assert value == python(SMALL, "/")[0]
    assert folder == "None" or not Path(folder).is_relative_to(ROOT) or (Path(folder) / "precompiled").exists()
