"""The writer of TOML: values read back as they were, changes of a config fit on one line."""

import tomllib

import pytest

from experiments.config.toml import to_setting, to_toml

TREE = {
    "name": 'a "board" \\ é',
    "single": [4.7e-05, 1e-300, 0.1],
    "is_on": True,
    "table": {"odd key.with dots": {"energy": 1.25e-9}, "empty": {}},
    "space": {"stages": [{"kernels": [1, 3]}, {"kernels": [5], "residuals": [False]}]},
}


def test_values_read_back_as_they_were():
    assert tomllib.loads(to_toml(TREE)) == TREE


def test_comments_come_first_and_hold_no_line_breaks_or_control_characters():
    text = to_toml({"a": 1}, comments=["one\ntwo", "", "bell \x07"])
    assert text == "# one two\n#\n# bell ?\na = 1\n"


@pytest.mark.parametrize(
    "value", [3, 0.1, True, "two  spaces", "line\nbreak", ["47uF", 1e-3], [], TREE["space"]["stages"]]
)
def test_a_change_of_a_config_is_one_line_with_a_plain_key(value):
    setting = to_setting("space.stages", value)
    assert "\n" not in setting
    key, _, text = setting.partition("=")
    assert key.strip() == "space.stages"
    assert tomllib.loads(f"value = {text}")["value"] == value
