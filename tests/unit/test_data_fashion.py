"""Fashion-MNIST: the included subset, and the full set from tiny IDX files, plain and gzipped, whole and damaged."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
from importlib import resources

import numpy as np
import pytest

from models.data import Augmentation, load
from models.data.fashion import FILE

SHIPPED = resources.files("models.data") / "shipped"


@pytest.fixture(scope="module")
def shipped():
    return load("fashion")


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """100 training and 20 test images, plain."""
    rng = np.random.default_rng(0)
    for name, n in (("train", 100), ("t10k", 20)):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (n, 28, 28))))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(np.arange(n) % 10))
    return tmp_path


def test_shipped_file_is_the_documented_one_with_its_licence():
    content = (SHIPPED / FILE).read_bytes()
    assert hashlib.sha256(content).hexdigest() in (SHIPPED / "fashion.md").read_text(encoding="utf-8")
    assert "Copyright (c) 2017 Zalando SE" in (SHIPPED / "fashion.LICENSE").read_text(encoding="utf-8")
    assert len(content) < 5e6


def test_shipped_subset_is_balanced_in_every_split(shipped):
    for name, share in (("train", 720), ("val", 180), ("test", 150)):
        split = shipped.split(name)
        np.testing.assert_array_equal(np.bincount(split.labels), share)
        assert split.sample_shape == (1, 28, 28)
    assert not set(shipped.split("train").groups) & set(shipped.split("val").groups)
    assert (shipped.input_shape, shipped.class_names[9]) == ((28, 28, 1), "Ankle boot")
    assert shipped.augmentation == Augmentation(shift=2, flip=True)


def test_shipped_names_are_those_of_the_loader(shipped):
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        assert tuple(archive["classes"]) == shipped.class_names


def test_groups_say_which_image_of_the_source_a_sample_is(shipped):
    with np.load(io.BytesIO((SHIPPED / FILE).read_bytes())) as archive:
        for name, part in (("train", "train"), ("val", "train"), ("test", "test")):
            split = shipped.split(name)
            place = np.searchsorted(archive[f"{part}_index"], split.groups)
            np.testing.assert_array_equal(split.inputs[:, 0], archive[f"{part}_images"][place])
            np.testing.assert_array_equal(split.labels, archive[f"{part}_labels"][place])


def test_every_shipped_image_validates_in_one_fold():
    seen = np.concatenate([load("fashion", fold=fold).split("val").groups for fold in range(5)])
    assert len(set(seen)) == len(seen) == 9000


def test_only_training_images_decide_the_normalisation(shipped):
    train = shipped.split("train")
    np.testing.assert_allclose(train.mean, [train.inputs.mean()], rtol=1e-6)
    np.testing.assert_allclose(train.spread, [train.inputs.std()], rtol=1e-6)
    np.testing.assert_array_equal(shipped.split("test").mean, train.mean)


def test_full_set_keeps_a_tenth_for_validation_and_tests_on_its_own_files(folder):
    data = load("fashion", directory=folder)
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [90, 10, 20]
    images = np.frombuffer((folder / "train-images-idx3-ubyte").read_bytes(), np.uint8, offset=16).reshape(100, 28, 28)
    split = data.split("val")
    np.testing.assert_array_equal(split.inputs[:, 0], images[split.groups])
    np.testing.assert_array_equal(split.labels, split.groups % 10)


def test_gzipped_files_give_the_same_samples(folder):
    plain = load("fashion", directory=folder).split("train")
    for path in list(folder.iterdir()):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(load("fashion", directory=folder).split("train").inputs, plain.inputs)
    nested = load("fashion", directory=folder)
    assert nested.fingerprint != load("fashion").fingerprint


def test_training_and_validation_never_open_the_test_files(folder):
    data = load("fashion", directory=folder)
    for path in folder.glob("t10k*"):
        path.unlink()
    assert (len(data.split("train")), len(data.split("val"))) == (90, 10)
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte is damaged"):
        data.split("test")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_fingerprint_changes_with_one_byte(folder, name):
    before = load("fashion", directory=folder).fingerprint
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert load("fashion", directory=folder).fingerprint != before


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-5], "must have 78,400 bytes after its header, not 78,395"),
        (
            "train-images-idx3-ubyte",
            lambda b: b"\x89PNG" + b[4:],
            "must begin as an IDX file of bytes with 3 axes, not",
        ),
        ("train-images-idx3-ubyte", lambda b: b[:10], "must begin as an IDX file"),
        ("train-images-idx3-ubyte", lambda _: b"", "must begin as an IDX file"),
        ("train-images-idx3-ubyte", lambda _: idx(np.zeros((100, 27, 28))), "an image of 28 x 28 for each .* 100 x 27"),
        ("train-labels-idx1-ubyte", lambda _: idx(np.zeros(99)), "for each of the 99 labels in train-labels"),
        ("train-labels-idx1-ubyte", lambda _: idx(np.arange(100) % 11), "labels from 0 to 9, not 10 at sample 10"),
    ],
)
def test_damaged_file_is_named_with_the_rule_and_what_to_do(folder, name, change, message):
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    with pytest.raises(ValueError, match=f"data set 'fashion': .*{message}.*built-in subset"):
        load("fashion", directory=folder).split("train")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t10k-images-idx3-ubyte", idx(np.zeros((19, 28, 28)))[:-1], "bytes after its header"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros(3)), "an image of 28 x 28 for each of the 3 labels"),
        ("train-images-idx3-ubyte", idx(np.zeros((0, 28, 28))), "an image of 28 x 28 for each of the 100 labels"),
    ],
)
def test_sizes_of_all_files_are_checked_before_anything_is_trained(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"data set 'fashion': .*{message}.*built-in subset"):
        load("fashion", directory=folder)


@pytest.mark.parametrize(("part", "n"), [("t10k", 0), ("train", 0), ("train", 3)])
def test_too_few_images_are_one_line(folder, part, n):
    (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((n, 28, 28))))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(n)))
    with pytest.raises(ValueError, match=r"must have images, and has none|must hold at least one image"):
        load("fashion", directory=folder).split("train")


def test_damaged_gzip_is_named(folder):
    path = folder / "train-images-idx3-ubyte"
    zipped = gzip.compress(path.read_bytes())
    for content in (zipped[:-100], b"no gzip", zipped[:50_000] + bytes(50) + zipped[50_050:]):
        (folder / f"{path.name}.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz is damaged \(.+\)\. Name the folder"):
            load("fashion", directory=folder).split("val")


def test_missing_label_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match="no t10k-labels-idx1-ubyte in it; expected train- and t10k-images"):
        load("fashion", directory=folder)
