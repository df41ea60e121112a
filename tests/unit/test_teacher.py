"""Teachers of one's own: what their file must hold, and that runs learn from them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from experiments.cli import main
from experiments.config.errors import ConfigError
from experiments.config.read import read_config
from experiments.config.resolve import look_up
from experiments.config.teacher import read_answers
from experiments.parallel.progress import Reporter
from experiments.pipeline.finetune import teacher_answers
from experiments.pipeline.stages import Stages
from experiments.storage.cache import Store
from tests.integration.conftest import TINY, tiny_arguments


def stages_of(root: Path, *settings: str) -> Stages:
    """Stages of a tiny run."""
    config = read_config("watch", settings=[*TINY, *settings])
    return Stages(work=look_up(config), store=Store(root=root), reporter=Reporter(quiet=True), log=lambda entry: None)


@pytest.fixture
def answers(tmp_path: Path) -> np.ndarray:
    """Uniform answers of a teacher, for the data of the tiny run."""
    stages = stages_of(tmp_path)
    n_classes = stages.work.space.n_classes
    return np.full((len(stages.work.data.split("train")), n_classes), 1 / n_classes)


def test_shared_weights_and_fine_tuning_learn_from_it(tmp_path, answers):
    np.save(tmp_path / "answers.npy", answers)
    alone = stages_of(tmp_path)
    taught = stages_of(tmp_path, f"teacher.file='{tmp_path / 'answers.npy'}'")
    assert alone.supernet_folder.key != taught.supernet_folder.key
    trainers = alone.supernet(), taught.supernet()
    one, other = (trainer.supernet.state_dict() for trainer in trainers)
    assert any(not np.array_equal(one[key], other[key]) for key in one)
    found = teacher_answers(taught, trainers[1], taught.evaluator(trainers[1]))
    np.testing.assert_array_equal(found, answers.astype(np.float32))


def test_another_teacher_is_another_run_wherever_its_file_lies(tmp_path, answers):
    for name, content in (("a.npy", answers), ("b.npy", answers), ("c.npy", np.eye(*answers.shape))):
        np.save(tmp_path / name, content)
    keys = [read_config("watch", settings=[f"teacher.file='{tmp_path / name}.npy'"]).key() for name in "abc"]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[1:], r"must have shape \(\d+, \d+\), a row for each training sample, not \(\d+, \d+\)"),
        (lambda found: found * 2, "must hold probabilities of sum 1 in every row, not 2 in row 0"),
        (lambda found: found + np.eye(*found.shape) * -1.5, r"must hold probabilities, not -1\.357\d* in row 0"),
        (lambda found: np.where(np.arange(len(found))[:, None] == 3, np.nan, found), "not nan in row 3"),
        (lambda found: found.argmax(axis=1), "must hold floating-point numbers, not int64"),
        (lambda found: np.array([{}]), "must be a .npy file of numbers"),
    ],
)
def test_wrong_answers_are_refused_in_one_line(tmp_path, answers, change, message):
    path = tmp_path / "answers.npy"
    np.save(path, change(answers), allow_pickle=True)
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}: teacher\.file: .*{message}"):
        read_answers(path, *answers.shape)


def test_a_cut_file_and_no_file_are_refused(tmp_path, answers):
    path = tmp_path / "answers.npy"
    np.save(path, answers)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ConfigError, match=r"must be a \.npy file of numbers"):
        read_answers(path, *answers.shape)
    with pytest.raises(ConfigError, match=r"teacher\.file: must be an existing file, not"):
        read_config("watch", settings=["teacher.file='nowhere.npy'"])


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"PK\x03\x04" + content,
        lambda _: b"0.1 0.2 0.7\n",
        lambda content: content.replace(b"(", b"{", 1),
        lambda content: re.sub(rb"\((\d+), \d+\), }   ", rb"(\1, 99999999), }", content, count=1),
    ],
    ids=["archive", "text", "header", "size"],
)
def test_a_file_of_another_kind_is_one_line_before_a_run_is_begun(tmp_path, answers, change, capsys):
    path, root = tmp_path / "answers.npy", tmp_path / "root"
    np.save(path, answers)
    path.write_bytes(change(path.read_bytes()))
    assert main(tiny_arguments(root, "--quiet", settings=[f"teacher.file='{path}'"])) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"ebbnas: {path}: teacher.file: must be a .npy file of numbers: ")
    assert message.count("\n") == 1
    assert not list(root.glob("runs/*"))
