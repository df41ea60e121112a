"""Spoken words from tiny folders: lists, speakers kept apart, folds, the WAV formats refused, and damage."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from models.data import Augmentation, load
from models.data.speech import INPUT_SHAPE, TESTING, VALIDATION, load_speech, speaker
from models.data.wav import N_SAMPLES, one_second, read_wav

WORDS = ("no", "yes")
SPEAKERS = tuple("abcdefgh")


def write_wav(path, samples, *, rate_hz=16_000, n_channels=1, n_bytes=2):
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(n_bytes)
        file.setframerate(rate_hz)
        file.writeframes(np.asarray(samples, dtype=f"<i{n_bytes}" if n_bytes > 1 else np.uint8).tobytes())


@pytest.fixture
def folder(tmp_path):
    """Two words by eight speakers, twice each: h tests, g validates; 100 samples a recording."""
    rng = np.random.default_rng(0)
    for word in WORDS:
        for who in SPEAKERS:
            for number in range(2):
                write_wav(tmp_path / word / f"{who}_nohash_{number}.wav", rng.integers(-9000, 9000, 100))
    write_wav(tmp_path / "_background_noise_" / "hum.wav", np.zeros(50), rate_hz=44_100)
    write_list(tmp_path, TESTING, "h")
    write_list(tmp_path, VALIDATION, "g")
    return tmp_path


def write_list(folder, name, who):
    lines = [f"{word}/{one}_nohash_{number}.wav" for word in WORDS for one in who for number in range(2)]
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def sums(samples):
    """Cheap stand-in for features: the sum of each recording in the first coefficient, its rising frame elsewhere."""
    assert samples.shape[1:] == (N_SAMPLES,)
    found = np.tile(np.arange(49.0)[:, None], (len(samples), 1, 10))
    found[:, :, 0] = samples.sum(axis=1)[:, None]
    return found.astype(np.float32)


def speakers_of(folder, split):
    files = sorted(path for path in folder.glob("*/*.wav") if path.parent.name in WORDS)
    return {speaker(files[index]) for index in split.groups}


def test_lists_say_what_tests_and_what_validates(folder):
    data = load_speech(0, folder, features=sums)
    found = {name: speakers_of(folder, data.split(name)) for name in ("train", "val", "test")}
    assert found == {"train": set("abcdef"), "val": {"g"}, "test": {"h"}}
    assert [len(data.split(name)) for name in found] == [24, 4, 4]
    assert (data.class_names, data.n_classes, data.input_shape) == (WORDS, 2, INPUT_SHAPE)
    assert data.augmentation == Augmentation(noise=0.1, shift=5, shift_width=0)
    for name in found:
        np.testing.assert_array_equal(np.bincount(data.split(name).labels), len(data.split(name)) // 2)
        assert len(set(data.split(name).groups)) == len(data.split(name))


def test_other_folds_let_other_speakers_validate_and_never_touch_the_test_speakers(folder):
    seen = []
    for fold in range(5):
        data = load_speech(fold, folder, features=sums)
        train, val, test = (speakers_of(folder, data.split(name)) for name in ("train", "val", "test"))
        assert test == {"h"}
        assert train | val == set("abcdefg")
        assert not train & val
        seen += val
    assert len(seen) == len(set(seen)) == 5


def test_a_test_speaker_never_trains_or_validates_though_the_lists_say_so(folder):
    (folder / TESTING).write_text("no/h_nohash_0.wav\nyes/g_nohash_1.wav\n", encoding="utf-8")
    (folder / VALIDATION).write_text("no/g_nohash_0.wav\nyes/f_nohash_0.wav\n", encoding="utf-8")
    data = load_speech(0, folder, features=sums)
    assert speakers_of(folder, data.split("train")) == set("abcde")
    assert (speakers_of(folder, data.split("val")), len(data.split("val"))) == ({"f"}, 1)
    assert len(data.split("test")) == 2


def test_features_of_every_coefficient_are_normalised_by_the_training_split(folder):
    data = load_speech(0, folder, features=sums)
    train = data.split("train").take(slice(None))
    np.testing.assert_allclose(train.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=(0, 1, 2)), 1, rtol=1e-5)
    files = [folder / word / f"{who}_nohash_{i}.wav" for word in WORDS for who in "abcdef" for i in range(2)]
    totals = np.array([read_wav(path).sum(dtype=float) for path in files])
    held = read_wav(folder / "no" / "g_nohash_0.wav").sum(dtype=float)
    expected = (held - totals.mean()) / totals.std()
    assert data.split("val").inputs[0, 0, 7, 0] == pytest.approx(expected, rel=1e-5)
    raw = sums(one_second(read_wav(folder / "no" / "g_nohash_0.wav"))[None])[:, None]
    np.testing.assert_allclose(data.normalisation(raw)[0], data.split("val").inputs[0], rtol=1e-5)


def test_default_features_are_cepstral_coefficients(folder):
    split = load("speech", directory=folder.parent / folder.name).split("val")
    assert (split.inputs.dtype, split.sample_shape) == (np.float32, (1, 49, 10))


def test_training_and_validation_never_open_a_test_recording(folder):
    data = load_speech(0, folder, features=sums)
    for path in folder.glob("*/h_nohash_*"):
        path.unlink()
    assert (len(data.split("train")), len(data.split("val"))) == (24, 4)
    with pytest.raises(FileNotFoundError):
        data.split("test")


@pytest.mark.parametrize("name", ["a_nohash_0", "h_nohash_1"])
def test_fingerprint_changes_with_one_sample_and_with_a_list(folder, name):
    before = load_speech(0, folder).fingerprint
    assert load_speech(0, folder).fingerprint == before != load_speech(1, folder).fingerprint
    samples = read_wav(folder / "no" / f"{name}.wav").copy()
    samples[50] ^= 1
    write_wav(folder / "no" / f"{name}.wav", samples)
    changed = load_speech(0, folder).fingerprint
    write_list(folder, VALIDATION, "f")
    assert len({before, changed, load_speech(0, folder).fingerprint}) == 3


def test_short_recordings_lie_in_the_middle_of_silence_and_long_ones_keep_their_middle():
    padded = one_second(np.ones(15_995, dtype=np.int16))
    assert (len(padded), padded[:2].tolist(), padded[-3:].tolist()) == (16_000, [0, 0], [0, 0, 0])
    assert padded.sum() == 15_995
    np.testing.assert_array_equal(one_second(np.arange(16_003, dtype=np.int16)), np.arange(1, 16_001))
    np.testing.assert_array_equal(one_second(np.arange(16_000, dtype=np.int16)), np.arange(16_000))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_hz": 8_000}, "must have 16,000 samples per second, not 8,000"),
        ({"n_channels": 2}, "must have 1 channel, not 2"),
        ({"n_bytes": 1}, "must have 16 bits per sample, not 8"),
    ],
)
def test_another_format_is_refused_before_anything_is_trained(folder, changes, message):
    write_wav(folder / "yes" / "h_nohash_0.wav", np.zeros(100), **changes)
    with pytest.raises(ValueError, match=f"'speech': .*h_nohash_0.wav {message}; convert or remove it"):
        load_speech(0, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:20] + b"\x06\x00" + b[22:], "uncompressed samples: unknown format: 6"),
        (lambda b: b"OggS" + b[4:], "uncompressed samples: file does not start with RIFF id"),
        (lambda b: b[:30], "uncompressed samples: "),
        (lambda _: b"", "uncompressed samples: it ends too early"),
    ],
)
def test_compressed_or_damaged_header_is_named(folder, change, message):
    path = folder / "no" / "b_nohash_0.wav"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"b_nohash_0.wav must be a WAV file with {message}"):
        load_speech(0, folder)


def test_truncated_or_empty_recording_is_named(folder):
    path = folder / "no" / "b_nohash_0.wav"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="must have the 100 samples of its header, at least 1, not 90"):
        load_speech(0, folder)
    write_wav(path, [])
    with pytest.raises(ValueError, match="must have the 0 samples of its header, at least 1"):
        load_speech(0, folder, features=sums).split("train")


def test_list_of_a_missing_recording_names_it_but_may_name_words_that_are_not_here(folder):
    with (folder / TESTING).open("a", encoding="utf-8") as file:
        file.write("backward/x_nohash_0.wav\n")
    load_speech(0, folder)
    (folder / "no" / "h_nohash_0.wav").unlink()
    with pytest.raises(
        ValueError, match=r"no no/h_nohash_0.wav, which testing_list.txt lists; expected one folder of .wav"
    ):
        load_speech(0, folder)


def test_folder_without_words_or_lists_is_named(folder):
    (folder / VALIDATION).unlink()
    with pytest.raises(ValueError, match=r"no validation_list.txt in it; expected"):
        load_speech(0, folder)
    for path in folder.glob("yes/*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"1 folders with .wav files in it; expected"):
        load_speech(0, folder)


def test_fold_without_speakers_to_validate_says_so(folder):
    for who in "abcde":
        for path in folder.glob(f"*/{who}_nohash_*"):
            path.unlink()
    with pytest.raises(ValueError, match="fold 2 leaves split val without a recording; fold 0 uses the lists"):
        load_speech(2, folder)
