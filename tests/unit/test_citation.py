"""How the project asks to be cited is a citation file that agrees with the package."""

import tomllib

import yaml

from tests.conftest import ROOT


def test_the_citation_file_is_whole_and_names_the_version_and_licence_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert all(author["name"] for author in citation["authors"])
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert "ebbnas" in citation["title"].lower()
