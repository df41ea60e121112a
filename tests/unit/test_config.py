"""Configs: defaults, changes, refusals, and the hash that names a run."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from experiments.config.errors import ConfigError
from experiments.config.read import read_config
from experiments.config.sections import FinetuneSection, SupernetSection
from experiments.config.toml import to_toml
from models.training.settings import FinetuneSettings, SupernetSettings


def test_the_shipped_config_has_the_budgets_of_the_issue_and_packs_its_cycles():
    config = read_config("watch")
    assert config.supply.capacitances == (47e-6, 100e-6, 470e-6)
    assert (config.execution.policy, config.execution.rules) == ("packed", "ebbnas")
    assert (config.execution.counting, config.execution.cuts) == ("exact", "optimal")


def test_an_empty_config_means_the_same_as_the_shipped_one(tmp_path):
    (tmp_path / "mine.toml").write_text("schema = 1\nname = 'watch'\n")
    assert read_config(str(tmp_path / "mine.toml")) == read_config("watch")


def test_a_resolved_config_reads_back_as_itself(tmp_path):
    stages = "space.stages=[{kernels=[1,3],channels=[4,8],depths=[1,2],residuals=[false,true]}]"
    config = read_config("watch", settings=["space.name=own", stages, "search.time_limit=10min"])
    (tmp_path / "config.toml").write_text(to_toml(config.to_dict()))
    assert read_config(str(tmp_path)) == config


def test_later_settings_win_and_budgets_win_over_both():
    settings = ["search.evaluations=500", "search.evaluations=600", "supply.capacitances=['1mF']"]
    config = read_config("watch", settings=settings, budgets="5mF, 0.001")
    assert config.search.evaluations == 600
    assert config.supply.capacitances == (5e-3, 1e-3)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.evalutions=3", r"watch: search.evalutions: unknown key; did you mean 'evaluations'\?"),
        ("serch.evaluations=3", r"watch: serch: unknown key; did you mean 'search'\?"),
        ("data.dir=''", "watch: data.dir: string should have at least 1 character, not ''"),
        ("supernet.learning_rate=inf", "watch: supernet.learning_rate: .* finite number, not inf"),
        ("supply.harvest_uncertainty=inf", "watch: supply.harvest_uncertainty: .* finite number, not inf"),
        ("finetune.batch_size=100000000000000000000", "watch: finetune.batch_size: .* 1000000, not 1000000000000"),
        ("space.stages=[{kernel=[1], channels=[2]}]", r"space.stages.0.kernel: unknown key; did you mean 'kernels'\?"),
        ("search.evaluations=true", "search.evaluations: input should be a valid integer, not True"),
        ("search.evaluations=10", "search: evaluations must be at least the population 50, not 10"),
        ("search.refinement_rate=1.5", "search.refinement_rate: must be 'adaptive' or from 0 to 1, not 1.5"),
        ("search.refinement_rate=adaptiv", "search.refinement_rate: must be 'adaptive' or from 0 to 1, not 'adaptiv'"),
        ("search.time_limit=5mF", "search.time_limit: time_limit must be in s, such as 10min, not '5mF'"),
        ("supply.capacitances=[]", "supply.capacitances: .*at least one capacitance"),
        ("supply.capacitances=['1mF', 0.001]", "must differ from each other"),
        ("supply.capacitances=['-1mF']", "must be above 0 F, not -0.001"),
        ("space.name=conv1d3", r"space must be one of .*; did you mean 'conv1d-3'\?"),
        ("device.file=nowhere.toml", "device.file: must be an existing file, not 'nowhere.toml'"),
        ("execution.policy=packd", "execution.policy: .*'packed' or 'one-batch-per-cycle', not 'packd'"),
        ("execution.rules=inas", "execution.rules: .*'inas2021' or 'tinas2025', not 'inas'"),
        ("execution.counting=xact", "execution.counting: .*'exact' or 'published', not 'xact'"),
        ("execution.cuts=best", "execution.cuts: .*'optimal' or 'greedy', not 'best'"),
        ("execution.fuse=true", "execution.fuse: unknown key"),
        ("compute.device=gpu", "compute.device: .*'cpu' or 'cuda', not 'gpu'"),
        ("predictor.networks=7", "predictor: networks must be 0, for no predictor, or at least 20, not 7"),
        ("supernet.opening=1.5", "supernet.opening: .*less than or equal to 1, not 1.5"),
        ("space.heights=[64, 128]", "space: heights belongs to an own space, which needs stages"),
        ("schema=2", "schema: input should be 1, not 2"),
        ("name=a b", "name: string should match pattern"),
        ("search.evaluations", "--set: must have the form search.evaluations=500, not 'search.evaluations'"),
        ("seed.x=1", "--set: seed.x: seed must be a table for keys below it, not a value"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_key_rule_and_value(setting, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read_config("watch", settings=["seed=1", setting])
    assert "\n" not in str(caught.value)


def executed(policy, rules, counting):
    """Settings of a whole execution, regardless of the built-in config."""
    named = {"policy": policy, "rules": rules, "counting": counting}
    return [f"execution.{key}={value}" for key, value in named.items()]


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        (("packed", "ebbnas", "published"), "counting must be 'exact' under policy 'packed', not 'published'"),
        (("packed", "inas2021", "exact"), "rules must be ebbnas with exact counting .*, not 'inas2021'"),
        (("packed", "tinas2025", ""), "rules must be ebbnas with exact counting .*, not 'tinas2025'"),
        (("one-batch-per-cycle", "inas2021", "exact"), "rules must be ebbnas with exact counting .*, not 'inas2021'"),
    ],
    ids="-".join,
)
def test_settings_of_an_execution_that_contradict_each_other_are_one_line(execution, message):
    with pytest.raises(ConfigError, match=f"watch: execution: {message}") as caught:
        read_config("watch", settings=executed(*execution))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "rules", "counting"),
    [
        ("packed", "ebbnas", "exact"),
        ("one-batch-per-cycle", "ebbnas", "published"),
        ("one-batch-per-cycle", "inas2021", "published"),
        ("one-batch-per-cycle", "tinas2025", "published"),
    ],
)
def test_counting_follows_the_policy_where_the_config_does_not_say(tmp_path, policy, rules, counting):
    path = tmp_path / "mine.toml"
    path.write_text(f"schema = 1\nname = 'watch'\n[execution]\npolicy = '{policy}'\nrules = '{rules}'\n")
    assert read_config(str(path)).execution.counting == counting
    assert read_config(str(path)) == read_config("watch", settings=executed(policy, rules, counting))


def test_a_config_that_is_not_there_is_answered_with_the_nearest_built_in_one():
    with pytest.raises(ConfigError, match=r"wach: no file, run folder or built-in config.*did you mean 'watch'\?"):
        read_config("wach")


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = \n")
    with pytest.raises(ConfigError, match=r"broken\.toml: must be TOML") as caught:
        read_config(str(path))
    assert caught.value.file == str(path)


def test_name_effort_and_processes_do_not_change_the_key_of_a_run_and_all_else_does():
    key = read_config("watch").key()
    for setting in (
        "name=other",
        "search.evaluations=5000",
        "search.patience=3",
        "search.time_limit=60",
        "compute.processes=7",
    ):
        assert read_config("watch", settings=[setting]).key() == key, setting
    for setting in (
        "seed=1",
        "data.fold=1",
        "supernet.epochs=61",
        "compute.threads=2",
        "finetune.max_networks=23",
        "execution.cuts=greedy",
    ):
        assert read_config("watch", settings=[setting]).key() != key, setting


def test_the_key_follows_the_content_of_an_own_device_file_not_its_place(tmp_path):
    keys = []
    for folder, content in (("a", "x = 1"), ("b", "x = 1"), ("c", "x = 2")):
        path: Path = tmp_path / folder / "board.toml"
        path.parent.mkdir()
        path.write_text(content)
        keys.append(read_config("watch", settings=[f"device.file={path}"]).key())
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("section", "settings"), [(SupernetSection, SupernetSettings), (FinetuneSection, FinetuneSettings)]
)
def test_defaults_of_trainings_are_those_of_the_library(section, settings):
    of_library = {field.name: field.default for field in fields(settings)}
    common = section().model_dump().keys() & of_library.keys()
    assert {"epochs", "batch_size", "learning_rate", "distillation"} <= common
    assert {name: section().model_dump()[name] for name in common} == {name: of_library[name] for name in common}
