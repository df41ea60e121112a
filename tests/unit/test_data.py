"""The data sets: what is included, split by person, nothing opened early, and every way a file can be wrong."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from importlib import resources

import numpy as np
import pytest

from models.data import DATASETS, Augmentation, Split, describe, load, synthetic
from models.data.watch import FILE, persons

SHIPPED = resources.files("models.data") / "shipped"
SCALE = np.array([1.396e-4, 1.647e-4, 1.777e-4, 8.838e-4, 3.698e-4, 1.773e-4])


@pytest.fixture(scope="module")
def watch():
    return load("watch")


def write_watch(folder, **changes):
    """A copy of the included file with some arrays changed or, where None, left out."""
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        arrays = {**archive, **changes}
    folder.mkdir(exist_ok=True)
    np.savez(folder / FILE, **{key: value for key, value in arrays.items() if value is not None})
    return folder


def test_shipped_file_is_the_documented_one_with_its_licence():
    digest = hashlib.sha256((SHIPPED / FILE).read_bytes()).hexdigest()
    assert digest in (SHIPPED / "watch.md").read_text(encoding="utf-8")
    assert "David M. Burns" in (SHIPPED / "watch.LICENSE").read_text(encoding="utf-8")


def test_shipped_file_holds_no_object_arrays():
    with zipfile.ZipFile(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        for member in archive.namelist():
            with archive.open(member) as stream:
                np.lib.format.read_magic(stream)
                assert not np.lib.format.read_array_header_1_0(stream)[2].hasobject


def test_shipped_recordings_are_those_of_the_source():
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        lengths = np.diff(archive["offset"])
        assert (len(lengths), lengths.min(), lengths.max(), lengths.sum()) == (140, 947, 2618, 244102)
        assert archive["signal"].dtype == np.int16
        assert archive["sample_rate_hz"] == 50
        # 10 persons x 7 exercises x 2 arms, each once
        assert len(set(zip(archive["subject"], archive["label"], archive["side"], strict=True))) == 140
        # a step of the scale is the largest value / 32767, so both ends are used and rounding costs half a step
        np.testing.assert_array_equal(np.abs(archive["signal"].astype(int)).max(axis=0), 32767)
        np.testing.assert_allclose(archive["scale"], SCALE, rtol=1e-3)


def test_watch_has_3605_windows_of_128_steps_and_6_channels(watch):
    splits = [watch.split(name) for name in ("train", "val", "test")]
    assert [len(split) for split in splits] == [2055, 777, 773]
    assert sum(len(split) for split in splits) == 3605
    assert all(split.inputs.shape[1:] == (6, 128) for split in splits)
    assert (watch.input_shape, watch.n_classes) == ((128, 1, 6), 7)
    assert watch.class_names == ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")


def test_default_fold_trains_on_persons_1_to_6_and_tests_on_9_and_10():
    assert persons(0) == {"train": (1, 2, 3, 4, 5, 6), "val": (7, 8), "test": (9, 10)}


def test_folds_let_every_pair_test_once_and_never_share_a_person():
    folds = [persons(fold) for fold in range(5)]
    assert sorted(person for roles in folds for person in roles["test"]) == list(range(1, 11))
    assert sorted(person for roles in folds for person in roles["val"]) == list(range(1, 11))
    for roles in folds:
        assert sorted(sum(roles.values(), ())) == list(range(1, 11))


@pytest.mark.parametrize("fold", [0, 3])
def test_splits_never_share_a_recording_or_person(fold):
    data = load("watch", fold=fold)
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        subject, label = archive["subject"], archive["label"]
    for name, members in persons(fold).items():
        split = data.split(name)
        assert set(subject[split.groups]) == set(members)
        np.testing.assert_array_equal(label[split.groups], split.labels)
        assert len(set(split.groups)) == 14 * len(members)


def test_only_training_decides_the_normalisation(watch, tmp_path):
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        signal, offset, subject = archive["signal"].copy(), archive["offset"], archive["subject"]
    for index in np.flatnonzero(subject >= 9):
        signal[offset[index] : offset[index + 1]] //= 3
    other = load("watch", directory=write_watch(tmp_path / "changed", signal=signal))
    for name in ("train", "val"):
        np.testing.assert_array_equal(watch.split(name).inputs, other.split(name).inputs)
    assert not np.array_equal(watch.split("test").inputs, other.split("test").inputs)
    assert watch.fingerprint != other.fingerprint


def test_held_out_windows_are_normalised_by_mean_and_spread_of_the_training_recordings(watch):
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        values, offset, subject = archive["signal"] * archive["scale"], archive["offset"], archive["subject"]
    seen = values[np.repeat(subject <= 6, np.diff(offset))]
    for name in ("val", "test"):
        split = watch.split(name)
        second = offset[split.groups[0]] + 64
        expected = (values[second : second + 128] - seen.mean(axis=0)) / seen.std(axis=0)
        np.testing.assert_allclose(split.inputs[1], expected.T, rtol=1e-4, atol=1e-5)


def test_the_normalisation_of_a_data_set_makes_raw_windows_those_of_its_splits(watch):
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        values, offset = archive["signal"] * archive["scale"], archive["offset"]
    split = watch.split("val")
    start = offset[split.groups[0]]
    assert watch.normalisation.mean.shape == (6, 1)
    np.testing.assert_array_equal(watch.normalisation(values[start : start + 128].T[None])[0], split.inputs[0])


def test_bytes_have_the_normalisation_of_their_split_and_waves_have_none():
    data = load("fashion")
    split = data.split("val")
    np.testing.assert_allclose(data.normalisation(split.inputs[:3]), split.take(slice(3)), atol=1e-6)
    waves = synthetic(np.random.default_rng(0))
    np.testing.assert_array_equal(waves.normalisation(waves.split("val").inputs), waves.split("val").inputs)
    assert "test" not in [*data.opened, *waves.opened]


def test_training_windows_are_near_mean_0_and_spread_1(watch):
    inputs = watch.split("train").inputs
    np.testing.assert_allclose(inputs.mean(axis=(0, 2)), 0, atol=0.05)
    np.testing.assert_allclose(inputs.std(axis=(0, 2)), 1, atol=0.05)


def test_dense_validation_has_the_same_recordings_in_four_times_as_many_windows(watch):
    val, dense = watch.split("val"), watch.dense_val
    assert 3.8 * len(val) < len(dense) < 4.1 * len(val)
    np.testing.assert_array_equal(np.unique(dense.groups), np.unique(val.groups))
    for group in np.unique(val.groups)[:3]:
        own, more = val.inputs[val.groups == group], dense.inputs[dense.groups == group]
        np.testing.assert_array_equal(own, more[::4][: len(own)])
        assert set(dense.labels[dense.groups == group]) == set(val.labels[val.groups == group])


def test_samples_that_are_not_cut_from_recordings_have_no_dense_validation():
    data = synthetic(np.random.default_rng(0))
    assert data.dense_val is data.split("val")


def test_part_of_a_split_has_its_samples_labels_and_groups(watch):
    val = watch.split("val")
    part = val.part(val.at_most(100))
    np.testing.assert_array_equal(part.take(slice(None)), val.take(val.at_most(100)))
    np.testing.assert_array_equal(part.labels, val.labels[val.at_most(100)])
    np.testing.assert_array_equal(part.groups, val.groups[val.at_most(100)])


def test_test_split_stays_unopened_until_asked_for():
    data = load("watch")
    assert data.opened == ()
    data.split("val"), data.split("train")
    assert data.opened == ("val", "train")
    assert data.split("train") is data.split("train")
    data.split("test")
    assert data.opened == ("val", "train", "test")


def test_loading_twice_gives_the_same_bytes(watch):
    again = load("watch")
    assert again.fingerprint == watch.fingerprint != load("watch", fold=1).fingerprint
    assert again.split("val").inputs.tobytes() == watch.split("val").inputs.tobytes()


def test_unknown_split_names_the_nearest(watch):
    with pytest.raises(ValueError, match="split must be one of train, val, test, not 'tests'; did you mean 'test'"):
        watch.split("tests")


def test_unknown_data_set_names_the_nearest():
    with pytest.raises(ValueError, match="not 'wacth'; did you mean 'watch'"):
        load("wacth")


@pytest.mark.parametrize("name", ["cifar10", "uci-har", "speech"])
def test_data_sets_that_are_not_shipped_say_what_folder_they_need(name):
    with pytest.raises(ValueError, match=f"'{name}': needs a folder, and none is named; expected .* --data-dir"):
        load(name)


@pytest.mark.parametrize("name", ["fashion", "cifar10", "uci-har", "speech"])
def test_folder_without_a_data_set_is_named_with_what_was_expected(tmp_path, name):
    with pytest.raises(ValueError, match=f"'{name}': looked in {tmp_path}: no .* below it; expected .*[Nn]ame "):
        load(name, directory=tmp_path)
    with pytest.raises(ValueError, match=f"'{name}': looked in {tmp_path}/gone: no such folder; expected"):
        load(name, directory=tmp_path / "gone")


@pytest.mark.parametrize("fold", [-1, 5, 1.5])
def test_fold_outside_0_to_4_is_refused(fold):
    with pytest.raises(ValueError, match=f"fold must be a whole number from 0 to 4, not {fold}"):
        load("watch", fold=fold)


def test_missing_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"looked in .*nowhere: no such folder; expected watch.npz.*built-in data"):
        load("watch", directory=tmp_path / "nowhere")


def test_folder_without_the_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no readable watch.npz in it .*; expected watch.npz there"):
        load("watch", directory=tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 100_000, 2_600_000])
def test_truncated_file_is_damaged(tmp_path, keep):
    (tmp_path / FILE).write_bytes((SHIPPED / FILE).read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"watch.npz is damaged .*; expected an .npz without pickles"):
        load("watch", directory=tmp_path)


def test_file_with_flipped_bytes_is_damaged(tmp_path):
    content = bytearray((SHIPPED / FILE).read_bytes())
    content[1_000_000:1_000_100] = bytes(100)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        load("watch", directory=tmp_path)


def test_file_with_a_pickle_is_refused_unread(tmp_path):
    (tmp_path / FILE).write_bytes(pickle.dumps({"signal": 1}))
    with pytest.raises(ValueError, match="is damaged"):
        load("watch", directory=tmp_path)
    write_watch(tmp_path, label=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"is damaged .*allow_pickle=False"):
        load("watch", directory=tmp_path)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"label": None}, "label is not a file"),
        ({"label": np.full(140, 7)}, "label must name classes"),
        ({"label": np.zeros(139, dtype=int)}, "offset must rise from 0 to the end"),
        ({"subject": np.zeros(3, dtype=int)}, "subject must name one person"),
        ({"scale": np.zeros(6)}, "scale must be finite and above 0"),
        ({"scale": np.full(6, np.inf)}, "scale must be finite and above 0"),
        ({"label": np.zeros(140)}, "label and subject must be whole numbers"),
        ({"label": np.zeros((140, 1), dtype=int)}, "label and subject must be whole numbers"),
        ({"signal": np.zeros((244102, 6))}, "signal must be int16"),
    ],
)
def test_file_whose_arrays_do_not_fit_names_the_rule(tmp_path, changes, rule):
    with pytest.raises(ValueError, match=f"is damaged .*{rule}"):
        load("watch", directory=write_watch(tmp_path, **changes))


def test_file_without_a_split_of_persons_names_them(tmp_path):
    with pytest.raises(ValueError, match=r"split val of fold 0 needs persons \(7, 8\)"):
        load("watch", directory=write_watch(tmp_path, subject=np.where(np.arange(140) % 2, 1, 9)))


def test_copy_of_the_shipped_file_gives_the_shipped_windows(watch, tmp_path):
    copy = load("watch", directory=write_watch(tmp_path))
    np.testing.assert_array_equal(copy.split("val").inputs, watch.split("val").inputs)


def test_synthetic_data_have_the_shape_asked_for():
    flat = synthetic(np.random.default_rng(0), input_shape=(20, 1, 3), n_classes=4, n_per_class=5)
    image = synthetic(np.random.default_rng(0), input_shape=(8, 6, 2), n_classes=3, n_per_class=2)
    assert flat.split("val").inputs.shape == (20, 3, 20)
    assert image.split("val").inputs.shape == (6, 2, 8, 6)
    np.testing.assert_array_equal(np.bincount(flat.split("train").labels), 5)


def test_synthetic_splits_do_not_depend_on_the_order_of_asking():
    one, two = load("synthetic"), load("synthetic")
    one.split("test")
    np.testing.assert_array_equal(one.split("train").inputs, two.split("train").inputs)
    assert not np.array_equal(one.split("test").inputs, one.split("train").inputs)
    assert one.fingerprint == two.fingerprint != load("synthetic", fold=1).fingerprint


def test_synthetic_data_read_no_folder(tmp_path):
    with pytest.raises(ValueError, match="generated and reads no folder"):
        load("synthetic", directory=tmp_path)


def test_every_data_set_is_described_with_its_state():
    notes = {note.name: note for note in describe()}
    assert list(notes) == list(DATASETS)
    assert notes["watch"].status == "shipped"
    assert "BSD-3" in notes["watch"].licence
    assert notes["fashion"].status == "shipped"
    assert notes["cifar10"].status == notes["uci-har"].status == notes["speech"].status == "needs --data-dir"
    assert notes["synthetic"].status == "generated"


def test_description_says_what_a_folder_holds_by_the_names_of_its_files(tmp_path):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    (tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin").touch()
    write_watch(tmp_path)
    notes = {note.name: note for note in describe(tmp_path)}
    assert notes["cifar10"].status == f"found in {tmp_path / 'cifar-10-batches-bin'}"
    assert notes["watch"].status == f"found in {tmp_path}"
    assert (notes["fashion"].status, notes["fashion"].problem) == ("shipped", "")
    assert notes["speech"].status == "not found"
    assert "no testing_list.txt in it" in notes["speech"].problem
    assert notes["synthetic"].status == "generated"


def test_split_of_arrays_that_do_not_fit_is_refused():
    inputs, four = np.zeros((4, 2, 8), dtype=np.float32), np.zeros(4, dtype=np.int64)
    with pytest.raises(ValueError, match=r"labels must be int64 \(4,\), not int64 \(3,\)"):
        Split(inputs=inputs, labels=four[:3], groups=four)
    with pytest.raises(ValueError, match=r"inputs must be float32 .* not float64"):
        Split(inputs=inputs.astype(float), labels=four, groups=four)


def raw_split(**changes):
    """Three images of 2 x 2 pixels in two channels, as bytes."""
    four = np.arange(24, dtype=np.uint8).reshape(3, 2, 2, 2)
    arrays = {"mean": np.float32([1, 2]), "spread": np.float32([2, 4]), **changes}
    return Split(inputs=four, labels=np.zeros(3, dtype=np.int64), groups=np.arange(3), **arrays)


def test_bytes_are_normalised_when_they_are_taken():
    split = raw_split()
    taken = split.take(np.array([2, 0]))
    assert (taken.dtype, taken.shape, split.sample_shape) == (np.float32, (2, 2, 2, 2), (2, 2, 2))
    # channel 0 of image 2 holds 16-19: (16 - 1) / 2 = 7.5; channel 1 of image 0 holds 4-7: (4 - 2) / 4 = 0.5
    np.testing.assert_array_equal(taken[0, 0], [[7.5, 8.0], [8.5, 9.0]])
    np.testing.assert_array_equal(taken[1, 1], [[0.5, 0.75], [1.0, 1.25]])
    np.testing.assert_array_equal(split.take(slice(0, 1))[0], taken[1])


def test_taking_does_not_depend_on_the_company_and_leaves_the_bytes_alone():
    split = raw_split()
    before = split.inputs.copy()
    together = split.take(slice(None))
    for index in range(3):
        np.testing.assert_array_equal(split.take(np.array([index]))[0], together[index])
    np.testing.assert_array_equal(split.inputs, before)


def test_normalised_samples_are_taken_as_they_are(watch):
    split = watch.split("val")
    np.testing.assert_array_equal(split.take(np.array([5, 1])), split.inputs[[5, 1]])
    assert split.sample_shape == (6, 128)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": None}, "mean must be float32 .2,. with uint8 inputs, not None"),
        ({"spread": np.float32([2, 4, 5])}, r"spread must be finite float32 \(2,\), not float32 \(3,\)"),
        ({"mean": np.array([1.0, 2.0])}, r"mean must be finite float32 \(2,\), not float64"),
        ({"spread": np.float32([2, 0])}, "spread must be above 0 for each channel, not 0"),
        ({"mean": np.float32([1, np.nan])}, "mean must be finite"),
    ],
)
def test_bytes_without_what_normalises_them_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        raw_split(**changes)


def test_normalised_samples_with_statistics_are_refused():
    two = np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match="mean must be None with float32 inputs"):
        Split(inputs=np.zeros((2, 1, 4), dtype=np.float32), labels=two, groups=two, mean=np.float32([0]))


def test_only_watch_mixes_channels_of_the_shipped_data_sets_by_custom(watch):
    assert watch.augmentation == Augmentation(mixing=0.1)
    assert load("synthetic").augmentation == Augmentation()
