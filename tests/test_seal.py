"""Sealing: what the bundle shows and hides, keys, and what cannot be sealed."""

from __future__ import annotations

import json
import os
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from affectbench.errors import AffectBenchError, BadData, MissingData, MissingExtra, ResultConflict
from affectbench.judging import commitment, ids_hash, open_bundle, read_bundle, read_keys, seal
from affectbench.judging.keys import new_keys
from affectbench.scoring import Scoring
from affectbench.tasks import TASKS
from affectbench.truth import read_truth
from judging_cases import CLIPS, LABELS, Organiser, write_labels

TASK = TASKS["avb-two"]
FAST = Scoring(draws=50)


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Sealed labels; no test changes these files."""
    return Organiser(tmp_path_factory.mktemp("office"))


def sealed(root, labels, task=TASK, **options):
    """Seal into ``root``."""
    places = {"out": root / "bundle", "key": root / "key.json", "scoring": FAST}
    return seal(labels, task, **{**places, **options})


def test_the_truth_comes_back_with_the_key(office):
    keys, notes = read_keys(office.key)
    bundle, truth, salt = open_bundle(office.bundle, keys)
    expected = read_truth(office.labels, TASK).select("clip", "speaker", "Valence", "Arousal")
    assert_frame_equal(truth, expected.sort("clip"))
    assert notes == ()
    assert commitment(truth, salt) == bundle.header.truth
    assert ids_hash(expected["clip"].to_list()) == bundle.header.ids


def test_the_fingerprint_tells_all_but_the_labels(office):
    public = json.loads(office.fingerprint.read_bytes())
    bundle = read_bundle(office.bundle)
    assert public == bundle.public
    assert public["fingerprint"] == bundle.fingerprint == office.sealing.bundle.fingerprint
    header = public["header"]
    assert (header["task"], header["task_version"], header["part"]) == ("avb-two", 1, "test")
    assert (header["clips"], header["attempts"], header["step"]) == (CLIPS, 5, None)
    assert header["scoring"]["draws"] == 100
    shown = office.fingerprint.read_bytes() + office.bundle.read_bytes()
    assert not any(label[:6].encode() in shown for label in LABELS)


def test_the_key_is_the_owners_and_nowhere_else(office):
    assert office.key.stat().st_mode & 0o777 == 0o600
    keys, _ = read_keys(office.key)
    shown = office.fingerprint.read_bytes() + office.bundle.read_bytes()
    for secret in (keys.encryption, keys.signing):
        assert secret not in shown
        assert secret.hex().encode() not in shown
        assert secret.hex() not in repr(keys)
        assert repr(secret) not in repr(keys)


def test_two_bundles_of_the_same_labels_have_nothing_in_common(office, tmp_path):
    other = Organiser(tmp_path / "other")
    one, two = read_bundle(office.bundle), read_bundle(other.bundle)
    assert one.header.truth != two.header.truth  # salted
    assert one.header.ids == two.header.ids
    assert one.header.public_key != two.header.public_key
    assert one.ciphertext[:64] != two.ciphertext[:64]
    assert len(one.ciphertext) == len(two.ciphertext)


def test_the_size_tells_nothing_of_the_labels(tmp_path):
    lines = write_labels(tmp_path / "random.csv").read_text().splitlines()
    flat = [line.rsplit(",", 2)[0] + ",0.5,0.5" for line in lines[1:]]
    (tmp_path / "flat.csv").write_text("\n".join([lines[0], *flat]) + "\n")
    sizes = set()
    for name in ("random", "flat"):
        (tmp_path / name).mkdir()
        made = sealed(tmp_path / name, tmp_path / f"{name}.csv")
        sizes.add(len(made.bundle.ciphertext))
    assert len(sizes) == 1


@pytest.mark.parametrize("which", ["out", "key", "fingerprint"])
def test_nothing_is_written_over(tmp_path, which):
    labels = write_labels(tmp_path / "labels.csv")
    names = {"out": "bundle", "key": "key.json", "fingerprint": "bundle.fingerprint.json"}
    there = tmp_path / names[which]
    there.write_text("precious")
    with pytest.raises(ResultConflict, match="is there already"):
        sealed(tmp_path, labels)
    assert there.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"labels.csv", there.name}


def test_the_key_never_lies_in_the_bundle(tmp_path):
    labels = write_labels(tmp_path / "labels.csv")
    with pytest.raises(AffectBenchError, match="are both"):
        sealed(tmp_path, labels, key=tmp_path / "bundle")


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    labels = write_labels(tmp_path / "labels.csv")

    def full(*_):
        raise AffectBenchError("Could not write: the disk is full.")

    monkeypatch.setattr("affectbench.judging.sealing.write_atomic", full)
    with pytest.raises(AffectBenchError, match="disk is full"):
        sealed(tmp_path, labels)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_without_cryptography_it_is_told_and_nothing_is_written(tmp_path, monkeypatch):
    labels = write_labels(tmp_path / "labels.csv")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(MissingExtra, match=r"affectbench\[judge\]"):
        sealed(tmp_path, labels)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_every_changed_byte_of_a_bundle_is_refused(office, tmp_path):
    data = office.bundle.read_bytes()
    keys, _ = read_keys(office.key)
    path = tmp_path / "bundle"
    header = data.index(b"\n", 30)
    for position in (*range(header + 40), len(data) // 2, len(data) - 1):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(BadData):
            open_bundle(path, keys)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"rubbish", b"affectbench bundle 1\n", b"affectbench bundle 1\n{}\n",
        b"affectbench bundle 1\n{}\nx", b"affectbench bundle 1\n[1]\nx",
        b"affectbench bundle 1\n" + b"[" * 50_000 + b"\nx", b"affectbench bundle 2\n{}\nx",
    ],
)  # fmt: skip
def test_broken_bundles_are_told(tmp_path, data):
    path = tmp_path / "bundle"
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"bundle|header"):
        read_bundle(path)


def test_a_bundle_that_is_cut_off_is_told(office, tmp_path):
    keys, _ = read_keys(office.key)
    data = office.bundle.read_bytes()
    path = tmp_path / "bundle"
    for size in (30, data.index(b"\n", 30) + 1, data.index(b"\n", 30) + 5, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(BadData):
            open_bundle(path, keys)


@pytest.mark.parametrize(
    "data",
    [b"", b"rubbish", b"{}", b"[]", b'{"kind": "affectbench key"}', b"[" * 100_000,
     b'{"kind": "affectbench key", "encryption": "00", "signing": "00"}', b"\xff"],
)  # fmt: skip
def test_what_is_no_key_file_is_told_without_its_content(tmp_path, data):
    path = tmp_path / "key.json"
    path.write_bytes(data)
    with pytest.raises(BadData, match="is not a key file") as error:
        read_keys(path)
    assert "00" not in str(error.value).replace(str(path), "")


def test_a_key_that_others_can_read_is_told(office, tmp_path):
    path = tmp_path / "key.json"
    path.write_bytes(office.key.read_bytes())
    for mode, told in ((0o644, True), (0o640, True), (0o400, False), (0o600, False)):
        os.chmod(path, mode)  # noqa: PTH101
        assert bool(read_keys(path)[1]) == told
    path.chmod(0o644)
    assert "chmod 600" in office.judge("Tokyo", key=path).notes[0]


def test_signatures():
    from affectbench.judging.keys import signed_by

    keys, other = new_keys(), new_keys()
    signature = keys.sign(b"message")
    assert signature == keys.sign(b"message")
    assert signed_by(keys.public, signature, b"message")
    assert not signed_by(keys.public, signature, b"messagf")
    assert not signed_by(other.public, signature, b"message")
    assert not signed_by(keys.public, signature.upper(), b"message")
    assert not signed_by(None, signature, b"message")
    assert not signed_by("f" * 64, signature, b"message")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attempts": 0}, "--attempts is 0"),
        ({"step": "wide"}, "--step is 'wide'"),
        ({"step": 0}, "--step is 0"),
        ({"step": float("nan")}, "--step is nan"),
        ({"step": 1.0}, "--step is 1.0"),
        ({"name": "a\nb"}, "name of the bundle"),
        ({"name": "x" * 101}, "name of the bundle"),
        ({"scoring": Scoring(draws=0)}, "draws is 0"),
        ({"part": "dev"}, "Parts found: test"),
    ],
)
def test_settings_that_cannot_be(tmp_path, options, told):
    labels = write_labels(tmp_path / "labels.csv")
    with pytest.raises(AffectBenchError, match=told):
        sealed(tmp_path, labels, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_labels_that_are_blind_or_missing(tmp_path, avb):
    with pytest.raises(BadData, match="labels filled in"):
        sealed(tmp_path, avb)
    with pytest.raises(MissingData):
        sealed(tmp_path, tmp_path / "nowhere.csv")
    labels = write_labels(tmp_path / "labels.csv")
    text = labels.read_text().replace(LABELS[0], "").replace(LABELS[2], "")
    labels.write_text(text)
    with pytest.raises(BadData, match="Valence is blank for 2 of 96"):
        sealed(tmp_path, labels)
    labels.write_text(text.replace(LABELS[1], ""))
    with pytest.raises(BadData, match="1 of 96 clips have no label"):
        sealed(tmp_path, labels)
    assert not (tmp_path / "key.json").exists()


def test_a_folder_of_released_labels(tmp_path, avb):
    path = avb / "labels/two_info.csv"
    path.write_text(path.read_text().replace("Test,,", "Test,0.25,0.75"))
    made = sealed(tmp_path, avb)
    assert made.bundle.header.clips == 48
    _, truth, _ = open_bundle(made.out, read_keys(made.key)[0])
    assert truth["Valence"].unique().to_list() == [0.25]
    assert "The speaker of some clips is not known" in made.notes[0]  # as data_info.csv has it


def test_labels_without_parts_or_speakers_are_told(tmp_path):
    labels = write_labels(tmp_path / "labels.csv", speakers=False)
    text = labels.read_text().replace(",Split", "").replace(",Test", "")
    labels.write_text(text)
    made = sealed(tmp_path, labels)
    assert made.bundle.header.clips == CLIPS
    assert any("all 96 clips are sealed" in note for note in made.notes)
    assert any("no interval" in note for note in made.notes)


def test_speakers_can_come_from_another_file(tmp_path):
    labels = write_labels(tmp_path / "labels.csv", speakers=False)
    whole = pl.read_csv(write_labels(tmp_path / "whole.csv"), infer_schema=False)
    whole.select("File_ID", "Subject_ID").write_csv(tmp_path / "speakers.csv")
    made = sealed(tmp_path, labels, groups=tmp_path / "speakers.csv")
    assert made.notes == ()


def test_support_clips_are_not_sealed(tmp_path):
    from affectbench.corpora import hume_vocalburst as hume

    cells = ",".join(["0.5"] * 10)
    rows = [f"[{i:05d}],Test,S{i % 4},{cells}" for i in range(20)]
    header = f"File_ID,Split,Subject_ID,{','.join(hume.EMOTIONS)}"
    labels, support = tmp_path / "labels.csv", tmp_path / "support.csv"
    labels.write_text("\n".join([header, *rows]) + "\n")
    support.write_text("File_ID\n" + "".join(f"[{i:05d}]\n" for i in range(8)))
    made = sealed(tmp_path, labels, TASKS["exvo-fewshot"], support=support)
    assert made.bundle.header.clips == 12


def test_the_command_line(call, tmp_path):
    labels = write_labels(tmp_path / "labels.csv")
    places = ("--out", tmp_path / "bundle", "--key", tmp_path / "key.json")
    code, out, err = call("seal", labels, "--task", "avb-two", *places, "--draws", 50)
    assert (code, err) == (0, "")
    assert read_bundle(tmp_path / "bundle").fingerprint in out
    assert not any(label[:6] in out for label in LABELS)
    code, _, err = call("seal", labels, "--task", "avb-two", *places)
    assert code == 2
    assert "is there already" in err
    more = ("--out", tmp_path / "b2", "--key", tmp_path / "k2", "--draws", 50)
    flags = ("--step", "auto", "--no-outputs", "--attempts", 9, "--name", "Challenge", "--json")
    code, out, _ = call("seal", labels, "--task", "avb-two", *more, *flags)
    header = json.loads(out)["header"]
    assert (code, header["name"], header["attempts"]) == (0, "Challenge", 9)
    assert 0 < header["step"] < 0.3
    assert header["outputs"] is False
