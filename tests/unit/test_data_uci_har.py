"""Smartphone activities from tiny text files of the public layout: persons kept apart, recordings, and damage."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from models.data import load
from models.data.uci_har import CHANNELS, recordings

NAMES = "1 WALKING\n2 WALKING_UPSTAIRS\n3 WALKING_DOWNSTAIRS\n4 SITTING\n5 STANDING\n6 LAYING\n"
PERSONS = {"train": (1, 3, 5, 6, 7, 8, 11), "test": (2, 4)}


def write_part(folder, part, rng):
    """Two windows of each activity for each person, as lines in the scientific notation of the source."""
    persons = np.repeat(PERSONS[part], 12)
    labels = np.tile(np.repeat(np.arange(1, 7), 2), len(PERSONS[part]))
    signals = rng.standard_normal((len(labels), len(CHANNELS), 128)) * np.arange(1, 10)[:, None] + 3
    place = folder / part / "Inertial Signals"
    place.mkdir(parents=True)
    np.savetxt(folder / part / f"y_{part}.txt", labels, fmt="%d")
    np.savetxt(folder / part / f"subject_{part}.txt", persons, fmt="%d")
    for channel, name in enumerate(CHANNELS):
        lines = ["  " + " ".join(f"{value: .7e}" for value in window) for window in signals[:, channel]]
        (place / f"{name}_{part}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return persons, signals


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("har") / "UCI HAR Dataset"
    rng = np.random.default_rng(0)
    known = {part: write_part(folder, part, rng) for part in PERSONS}
    (folder / "activity_labels.txt").write_text(NAMES, encoding="utf-8")
    return folder, known


@pytest.fixture
def folder(original, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(original[0], tmp_path / "UCI HAR Dataset")


def test_training_persons_are_dealt_out_and_the_official_test_persons_test(original):
    folder = original[0]
    for fold, validating in ((0, (1, 8)), (1, (3, 11)), (2, (5,)), (4, (7,))):
        data = load("uci-har", directory=folder, fold=fold)
        # a person has 6 activities, one recording each: recording // 6 is the person's place in the file
        for name, part in (("train", "train"), ("val", "train"), ("test", "test")):
            split = data.split(name)
            persons = {PERSONS[part][group // 6] for group in split.groups}
            expected = {"val": set(validating), "test": set(PERSONS["test"])}
            assert persons == expected.get(name, set(PERSONS["train"]) - set(validating))
            assert len(split) == 12 * len(persons)
            np.testing.assert_array_equal(split.labels, split.groups % 6)
    assert data.class_names[:2] == ("walking", "walking upstairs")
    assert data.input_shape == (128, 1, 9)


def test_samples_are_normalised_by_the_training_persons_alone(original):
    folder, known = original
    data = load("uci-har", directory=folder)
    persons, signals = known["train"]
    seen = signals[~np.isin(persons, (1, 8))]
    mean, spread = seen.mean(axis=(0, 2))[:, None], seen.std(axis=(0, 2))[:, None]
    np.testing.assert_allclose(
        data.split("val").take(slice(None)), (signals[np.isin(persons, (1, 8))] - mean) / spread, atol=1e-5
    )
    np.testing.assert_allclose(data.split("test").take(slice(None)), (known["test"][1] - mean) / spread, atol=1e-5)
    raw = signals[np.isin(persons, (1, 8))]
    np.testing.assert_allclose(data.normalisation(raw), data.split("val").inputs, atol=1e-5)
    assert data.split("train").sample_shape == (9, 128)


def test_windows_that_follow_one_another_share_a_recording():
    labels, persons = np.array([0, 0, 1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 1, 2, 2])
    np.testing.assert_array_equal(recordings(labels, persons), [0, 0, 1, 1, 2, 3, 3])


def test_training_and_validation_never_open_the_test_folder(folder):
    data = load("uci-har", directory=folder.parent)
    shutil.rmtree(folder / "test")
    assert (len(data.split("train")), len(data.split("val"))) == (60, 24)
    with pytest.raises(FileNotFoundError):
        data.split("test")


@pytest.mark.parametrize("name", ["train/Inertial Signals/body_gyro_z_train.txt", "test/y_test.txt"])
def test_fingerprint_changes_with_one_digit(folder, name):
    before = load("uci-har", directory=folder).fingerprint
    path = folder / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("1", "2", 1), encoding="utf-8")
    assert load("uci-har", directory=folder).fingerprint != before


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "Inertial Signals/body_acc_x_train.txt",
            lambda t: t[: len(t) // 2],
            "must have 10,752 values .84 lines of 128",
        ),
        (
            "Inertial Signals/body_acc_x_train.txt",
            lambda t: t.replace("e", "?", 1),
            "must hold numbers and nothing else",
        ),
        ("Inertial Signals/total_acc_z_train.txt", lambda t: "nan " + t.split(None, 1)[1], "must hold finite numbers"),
        ("y_train.txt", lambda t: t.replace("6", "7", 1), "labels from 0 to 5, not 6 at sample 10"),
        ("y_train.txt", lambda t: t.replace("1", "0", 1), "labels from 0 to 5, not -1 at sample 0"),
        ("y_train.txt", lambda t: t.replace("1", "1.5", 1), "y_train.txt must hold whole numbers"),
        ("subject_train.txt", lambda t: t + "30\n", "must have a person for each of 84 labels, not 85"),
        ("subject_train.txt", lambda _: "1\n" * 84, "must name at least 5 persons, not 1"),
    ],
)
def test_damaged_file_is_named_with_the_rule(folder, name, change, message):
    path = folder / "train" / name
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=f"data set 'uci-har': .*{message}"):
        load("uci-har", directory=folder).split("val")


def test_missing_file_is_named_with_what_was_expected(folder):
    (folder / "test" / "Inertial Signals" / "body_acc_y_test.txt").unlink()
    with pytest.raises(
        ValueError, match=r"no test/Inertial Signals/body_acc_y_test.txt in it; expected activity_labels"
    ):
        load("uci-har", directory=folder)


def test_names_that_are_not_numbered_from_1_to_6_are_refused(folder):
    (folder / "activity_labels.txt").write_text("1 WALKING\n3 SITTING\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must number 6 activities from 1"):
        load("uci-har", directory=folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("y_test.txt", lambda _: "", "must have .* values, 1 for each of .* windows, and some, not 0"),
        ("Inertial Signals/body_acc_x_test.txt", lambda t: t[:-200], "must have .* values, 128 for each of"),
        ("subject_test.txt", lambda _: "1\n" * 24, "must name nobody who trains, not person 1"),
        ("subject_train.txt", lambda t: "1e300 " + t.split(None, 1)[1], "must hold finite numbers below 1e"),
    ],
)
def test_sizes_and_persons_are_checked_before_anything_is_trained(folder, name, change, message):
    path = folder / name.partition(".")[0].rpartition("_")[2] / name
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=f"data set 'uci-har': .*{message}"):
        load("uci-har", directory=folder)
