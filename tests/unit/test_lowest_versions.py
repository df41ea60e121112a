"""Constraints of the lowest versions follow from pyproject.toml."""

import importlib.util
import tomllib

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def lowest_versions():
    spec = importlib.util.spec_from_file_location("lowest_versions", ROOT / ".ci" / "lowest_versions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_lower_bound_becomes_a_constraint_and_anything_else_is_refused(lowest_versions):
    assert lowest_versions.lowest("numba>=0.62") == "numba==0.62"
    for requirement in ("numba", "numba==0.62", "numba>=0.62,<1"):
        with pytest.raises(ValueError, match="must have the form name>=version"):
            lowest_versions.lowest(requirement)


def test_extras_are_included_where_they_are_named(lowest_versions):
    project = {"dependencies": ["b>=2", "a>=1.0"], "optional-dependencies": {"x": ["c>=3", "a>=1.0"]}}
    assert lowest_versions.constraints(project, []) == ["a==1.0", "b==2"]
    assert lowest_versions.constraints(project, ["x"]) == ["a==1.0", "b==2", "c==3"]
    with pytest.raises(ValueError, match="no extra 'y'"):
        lowest_versions.constraints(project, ["y"])


def test_every_dependency_of_the_project_has_a_lower_bound_below_its_pinned_version(lowest_versions):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    bounds = dict(line.split("==") for line in lowest_versions.constraints(project, []))
    assert bounds.keys() == pinned.keys()
    for name, bound in bounds.items():
        assert [int(n) for n in bound.split(".")] <= [int(n) for n in pinned[name].split(".")], name
