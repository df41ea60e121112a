"""CIFAR-10 from tiny batch files: layout, split by class, bytes kept, the test batch left alone, and damage."""

from __future__ import annotations

import numpy as np
import pytest

from models.data import Augmentation, cifar10, load
from models.data.cifar10 import RECORD_BYTES, TEST, TRAINING
from models.data.images import byte_statistics

NAMES = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"
N = 40


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose batches have 40 records, 4 of every class."""
    monkeypatch.setattr(cifar10, "N_RECORDS", N)
    place = tmp_path / "cifar-10-batches-bin"
    place.mkdir()
    rng = np.random.default_rng(0)
    for name in (*TRAINING, TEST):
        write(place / name, rng.permutation(np.arange(N) % 10), rng.integers(0, 256, (N, RECORD_BYTES - 1)))
    (place / "batches.meta.txt").write_text(NAMES, encoding="utf-8")
    return place


def write(path, labels, pixels):
    np.column_stack([labels, pixels]).astype(np.uint8).tofile(path)


def records(folder, names=TRAINING):
    return np.concatenate([np.fromfile(folder / name, np.uint8).reshape(N, RECORD_BYTES) for name in names])


def test_a_tenth_of_the_training_batches_validates_and_every_class_is_alike(folder):
    data = load("cifar10", directory=folder)
    train, val, test = (data.split(name) for name in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (180, 20, 40)
    for split, share in ((train, 18), (val, 2), (test, 4)):
        np.testing.assert_array_equal(np.bincount(split.labels), share)
    assert set(train.groups) | set(val.groups) == set(range(200))
    assert not set(train.groups) & set(val.groups)
    assert set(test.groups) == set(range(200, 240))
    assert data.class_names[::9] == ("airplane", "truck")
    assert (data.input_shape, data.augmentation) == ((32, 32, 3), Augmentation(shift=4, flip=True))


def test_samples_stay_the_bytes_of_the_files(folder):
    data, known = load("cifar10", directory=folder), records(folder)
    for name in ("train", "val"):
        split = data.split(name)
        assert split.inputs.dtype == np.uint8
        np.testing.assert_array_equal(split.labels, known[split.groups, 0])
        np.testing.assert_array_equal(split.inputs, known[split.groups, 1:].reshape(-1, 3, 32, 32))
    test = data.split("test")
    np.testing.assert_array_equal(test.inputs.reshape(N, -1), records(folder, [TEST])[:, 1:])


def test_a_pixel_is_where_the_format_puts_it(folder):
    pixels = np.zeros((N, 3, 32, 32), dtype=np.uint8)
    pixels[:, 1, 2, 3] = 9  # green, row 2, column 3: byte 1 + 1024 + 2 * 32 + 3 of a record
    write(folder / TEST, np.arange(N) % 10, pixels.reshape(N, -1))
    assert records(folder, [TEST])[0, 1 + 1024 + 67] == 9
    split = load("cifar10", directory=folder).split("test")
    assert (split.inputs[:, 1, 2, 3] == 9).all()
    assert split.inputs.sum() == 9 * N


def test_only_training_images_decide_the_normalisation(folder):
    data, known = load("cifar10", directory=folder), records(folder)
    train = data.split("train")
    seen = known[train.groups, 1:].reshape(-1, 3, 1024).astype(float)
    for name in ("train", "val", "test"):
        split = data.split(name)
        np.testing.assert_allclose(split.mean, seen.mean(axis=(0, 2)), rtol=1e-6)
        np.testing.assert_allclose(split.spread, seen.std(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(train.take(slice(None)).std(axis=(0, 2, 3)), 1, rtol=1e-4)


def test_a_constant_channel_is_divided_by_1_and_the_others_by_their_spread():
    images = np.zeros((2, 2, 1, 2), dtype=np.uint8)
    images[:, 0], images[:, 1, 0] = 7, [10, 20]
    mean, spread = byte_statistics([images[:1], images[1:]])
    np.testing.assert_array_equal(mean, np.float32([7, 15]))
    np.testing.assert_array_equal(spread, np.float32([1, 5]))  # 10 and 20 lie 5 from their mean


def test_folds_validate_on_other_images_and_test_on_the_same(folder):
    folds = [load("cifar10", directory=folder, fold=fold) for fold in range(5)]
    seen = [index for data in folds for index in data.split("val").groups]
    assert len(set(seen)) == len(seen) == 100
    assert len({data.split("test").inputs.tobytes() for data in folds}) == 1
    assert len({data.fingerprint for data in folds}) == 5


def test_training_and_validation_never_open_the_test_batch(folder):
    data = load("cifar10", directory=folder.parent)
    (folder / TEST).unlink()
    assert (len(data.split("train")), len(data.split("val"))) == (180, 20)
    with pytest.raises(FileNotFoundError):
        data.split("test")


@pytest.mark.parametrize("name", [TRAINING[0], TEST])
def test_fingerprint_changes_with_one_pixel(folder, name):
    before = load("cifar10", directory=folder).fingerprint
    assert load("cifar10", directory=folder.parent).fingerprint == before
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert load("cifar10", directory=folder).fingerprint != before


@pytest.mark.parametrize("name", [TRAINING[4], TEST])
def test_truncated_batch_is_named_with_its_size(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=rf"{name} must have 122,920 bytes \(40 records of 3,073\), not 122,919: trunc"
    ):
        load("cifar10", directory=folder)


def test_label_out_of_range_is_named_with_its_record(folder):
    labels = np.arange(N) % 10
    labels[7] = 10
    write(folder / TRAINING[1], labels, np.zeros((N, RECORD_BYTES - 1)))
    with pytest.raises(ValueError, match=r"data_batch_2.bin must have labels from 0 to 9, not 10 at sample 7: damaged"):
        load("cifar10", directory=folder).split("train")


def test_folder_without_a_batch_names_it(folder):
    (folder / TRAINING[2]).unlink()
    with pytest.raises(ValueError, match=r"no data_batch_3.bin in it; expected the binary version's"):
        load("cifar10", directory=folder)


def test_version_for_python_is_told_apart(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").touch()
    for place in (tmp_path, tmp_path / "cifar-10-batches-py"):
        with pytest.raises(
            ValueError, match=r"the version for Python .*; expected the binary version's .*Unpack the bin"
        ):
            load("cifar10", directory=place)


def test_names_that_are_not_ten_are_refused(folder):
    (folder / "batches.meta.txt").write_text("cat\ndog\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"batches.meta.txt must name 10 classes, one per line, not 2"):
        load("cifar10", directory=folder)
