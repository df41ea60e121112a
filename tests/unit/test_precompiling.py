"""The compilation beside the first tests: its lock, and the order of the tests meanwhile."""

import pytest

from tests.conftest import ROOT
from tests.support import precompiling


def test_each_half_begins_with_tests_that_need_no_machine_code():
    assert precompiling.in_halves([1, 2, 3], [10, 11, 12, 13, 14]) == [1, 2, 10, 11, 3, 12, 13, 14]
    assert precompiling.in_halves([], [10, 11, 12]) == [10, 11, 12]
    assert precompiling.in_halves([1, 2], []) == [1, 2]


def test_files_that_import_what_is_compiled_wait():
    assert precompiling.needs_machine_code(ROOT / "tests/unit/test_search.py")
    assert precompiling.needs_machine_code(ROOT / "tests/integration/test_imports.py")
    assert not precompiling.needs_machine_code(ROOT / "tests/unit/test_citation.py")


def test_the_wait_ends_with_the_compilation(monkeypatch, tmp_path):
    if precompiling.fcntl is None:
        pytest.skip("this system has no file locks")
    code = "import pathlib, time; time.sleep(0.5); pathlib.Path('compiled').touch()"
    (tmp_path / "energy").mkdir()
    (tmp_path / "energy" / "__init__.py").touch()
    (tmp_path / "energy" / "precompile.py").write_text(code)
    monkeypatch.setattr(precompiling, "ROOT", tmp_path)
    monkeypatch.setattr("energy.precompile.is_precompiled", lambda: False)
    compilation = precompiling.start()
    precompiling.wait(compilation.lock)
    assert (tmp_path / "compiled").exists()
    compilation.end()
    assert not compilation.lock.exists()
    monkeypatch.setattr("energy.precompile.is_precompiled", lambda: True)
    assert precompiling.start() is None
