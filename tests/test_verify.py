"""Verifying: one byte changed anywhere fails, and it says where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectbench.errors import AffectBenchError, BadData, MissingData
from affectbench.judging import keys as key_files
from affectbench.judging import verify
from affectbench.judging.entries import canonical, page, parse, signed
from affectbench.judging.log import examine
from affectbench.judging.verification import read_any
from judging_cases import Organiser


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Two cards and a refusal; no test changes these files."""
    office = Organiser(tmp_path_factory.mktemp("office"), outputs=False)
    office.made = [office.judge("Tokyo"), office.judge("Osaka", seed=1)]
    office.judge("Tokyo", file=office.half)
    return office


def problems(path, **options) -> list[str]:
    """All that fails."""
    return [problem for file in verify([path], **options).files for problem in file.problems]


def test_every_changed_byte_of_a_card_fails(office, tmp_path):
    card = office.made[0].card.read_bytes()
    path = tmp_path / "card.json"
    for position in range(0, len(card), 2):
        path.write_bytes(card[:position] + bytes([card[position] ^ 1]) + card[position + 1 :])
        assert read_any(path).problems, position
    for shorter in (card[:-1], card + b" ", card + b"\n", card.replace(b"\n", b"\r\n")):
        path.write_bytes(shorter)
        assert read_any(path).problems


def test_every_changed_byte_of_a_log_fails_and_names_its_entry(office, tmp_path):
    log = office.log.read_bytes()
    path = tmp_path / "log.jsonl"
    for position in range(0, len(log), 7):
        path.write_bytes(log[:position] + bytes([log[position] ^ 1]) + log[position + 1 :])
        found = examine(path)[1]
        assert found, position
        if log[position] != ord("\n"):
            entry = log[:position].count(b"\n") + 1
            assert found[0].startswith(f"entry {entry}: "), (position, found)
            assert len(found) == 1, (position, found)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_edit_of_a_log_fails(office, data):
    log = office.log.read_bytes()
    start = data.draw(st.integers(0, len(log) - 1))
    end = data.draw(st.integers(start, min(len(log), start + 40)))
    new = data.draw(st.binary(max_size=8))
    edited = log[:start] + new + log[end:]
    path = office.root / "edited.jsonl"
    path.write_bytes(edited)
    cut_off = log.startswith(edited) and (not edited or edited.endswith(b"\n"))
    assert edited == log or cut_off or examine(path)[1]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("hash", "0" * 64, "field hash was changed"),
        ("signature", "0" * 128, "field signature was changed"),
        ("previous", "x", "field previous is not 64 hex digits"),
        ("schema", 2, "another version"),
        ("kind", "other", "field kind"),
        ("team", "Kyoto", "its content was changed"),
        ("attempt", 3, "its content was changed"),
    ],
)
def test_it_tells_the_field_where_it_can(office, tmp_path, field, value, told):
    card = json.loads(office.made[0].card.read_bytes())
    path = tmp_path / "card.json"
    path.write_bytes(page({**card, field: value}))
    assert told in problems(path)[0]


def test_upper_case_hex_is_another_signature(office, tmp_path):
    card = json.loads(office.made[0].card.read_bytes())
    path = tmp_path / "card.json"
    path.write_bytes(page({**card, "signature": card["signature"].upper()}))
    assert problems(path)


def test_with_the_log_it_tells_the_field_of_a_card(office, tmp_path):
    card = json.loads(office.made[0].card.read_bytes())
    card["scores"]["ccc.population"]["value"] = 0.99
    path = tmp_path / "card.json"
    path.write_bytes(page(card))
    found = verify([path, office.log]).files
    assert "scores.ccc.population.value" in found[0].problems[1]
    assert not found[1].problems


def test_entries_taken_out_or_moved_are_found(office, tmp_path):
    one, two, three = office.log.read_bytes().splitlines(keepends=True)
    path = tmp_path / "log.jsonl"
    for lines, told in (
        ((two, three), "entry 1: field entry is 2"),
        ((one, three), "entry 2: field entry is 3"),
        ((two, one, three), "entry 1: field entry is 2"),
        ((one, one, two, three), "entry 2: field entry is 1"),
        ((one, b"\n", two), "entry 2: it is not JSON"),
        ((one, two[:-1]), "line 2 is cut off"),
        ((), "the log is empty"),
    ):
        path.write_bytes(b"".join(lines))
        assert problems(path)[0].startswith(told), told


def test_a_log_whose_end_was_cut_off_is_found_by_its_cards(office, tmp_path):
    first = office.log.read_bytes().splitlines(keepends=True)[0]
    path = tmp_path / "log.jsonl"
    path.write_bytes(first)
    alone = verify([path])
    assert alone.holds
    assert any("cut off" in note for note in alone.notes)
    found = verify([path, office.made[1].card])
    assert "it is entry 2" in found.files[1].problems[0]


def test_a_forger_with_a_key_of_his_own_is_found_by_the_fingerprint(office, tmp_path):
    card = json.loads(office.made[0].card.read_bytes())
    body = {name: value for name, value in card.items() if name not in ("hash", "signature")}
    body["scores"]["ccc.population"]["value"] = 0.99
    forger = key_files.new_keys()
    path = tmp_path / "card.json"
    path.write_bytes(page(signed({**body, "public_key": forger.public}, forger)))
    alone = verify([path])
    assert alone.holds
    assert "give --fingerprint" in alone.notes[0]
    assert "public_key not as in" in problems(path, fingerprint=office.fingerprint)[0]
    assert "public_key not as in" in problems(path, bundle=office.bundle)[0]


def test_an_organiser_who_grants_more_attempts_is_found(office, tmp_path):
    lines = [json.loads(line) for line in office.log.read_bytes().splitlines()]
    keys = key_files.read_keys(office.key)[0]
    body = {n: v for n, v in lines[0].items() if n not in ("hash", "signature")}
    path = tmp_path / "log.jsonl"
    for second, told in (({"attempt": 1}, "expected 2"), ({"attempts": 9}, "attempts not as in")):
        again = signed(
            {**body, "attempt": 2, "entry": 2, "previous": lines[0]["hash"], **second}, keys
        )
        path.write_bytes(canonical(lines[0]) + b"\n" + canonical(again) + b"\n")
        assert told in problems(path, fingerprint=office.fingerprint)[0]


def test_every_changed_byte_of_a_fingerprint_fails(office, tmp_path):
    data = office.fingerprint.read_bytes()
    path = tmp_path / "fingerprint.json"
    card = office.made[0].card
    for position in range(0, len(data), 3):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert not verify([card], fingerprint=path).holds, position


def test_another_bundle_than_the_announced_one_is_found(office, tmp_path):
    other = Organiser(tmp_path / "other")
    card = office.made[0].card
    found = verify([card], fingerprint=office.fingerprint, bundle=other.bundle).files
    assert "bundle" in found[0].problems[0]
    assert "not the bundle of" in found[2].problems[0]
    assert "bundle" in problems(card, fingerprint=other.fingerprint)[0]


def test_the_organiser_scores_a_card_again(office, tmp_path):
    card, key = office.made[0].card, office.key
    given_files = {"bundle": office.bundle, "key": key}
    file = office.files["Tokyo"]
    assert not problems(card, submission=file, **given_files)
    assert "another file" in problems(card, submission=office.half)[0]
    keys = key_files.read_keys(key)[0]
    body = {n: v for n, v in parse(card.read_bytes()).items() if n not in ("hash", "signature")}
    body["scores"]["ccc.population"]["value"] = 0.99
    path = tmp_path / "card.json"
    path.write_bytes(page(signed(body, keys)))  # signed with the real key, and wrong
    assert not problems(path)
    assert "scores.ccc.population.value" in problems(path, submission=file, **given_files)[0]


def test_calls_that_do_not_suffice(office):
    card, other = (made.card for made in office.made)
    with pytest.raises(AffectBenchError, match="--bundle and --submission"):
        verify([card], key=office.key)
    with pytest.raises(AffectBenchError, match="one card; 2"):
        verify([card, other], submission=office.half)
    with pytest.raises(MissingData, match="is not a file"):
        verify([office.root])
    with pytest.raises(MissingData, match="is not a file"):
        verify([card], fingerprint=office.root)
    with pytest.raises(BadData, match="not a bundle"):
        verify([card], bundle=card)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{\n", b"{}", b"[]\n", b"null\n", b"{\n}\n", b"\xff\xfe\x00", b"{\n\"a\": NaN\n}\n",
        b"{\n" + b'"a":[' * 5_000, b"[" * 100_000 + b"\n", b"9" * 5_000 + b"\n", b"\n\n\n",
        b'{"kind":"scored","schema":1}\n', b'{\n  "kind": "scored",\n  "schema": 1\n}\n',
    ],
)  # fmt: skip
def test_rubbish_fails_without_a_traceback(office, tmp_path, data):
    path = tmp_path / "rubbish"
    path.write_bytes(data)
    assert not verify([path], bundle=office.bundle).holds
    assert not verify([office.made[0].card], fingerprint=path).holds
    assert all(line.isprintable() for line in verify([path]).files[0].lines())


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_json_is_a_verdict(office, value):
    path = office.root / "any.json"
    for data in (page(value), canonical(value) + b"\n"):
        path.write_bytes(data)
        assert verify([path, office.made[0].card], bundle=office.bundle).files[0].problems
        assert not verify([office.made[0].card], fingerprint=path).holds


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, "gone"])
def test_a_forger_finds_no_traceback(office, tmp_path, value):
    """Entries of any shape, signed by a key of their own."""
    forger = key_files.new_keys()
    path = tmp_path / "forged"
    for line in office.log.read_bytes().splitlines():
        entry = {**json.loads(line), "public_key": forger.public}
        for name in entry:
            changed = {**entry, name: value}
            if value == "gone":
                del changed[name]
            body = {n: v for n, v in changed.items() if n not in ("hash", "signature")}
            forged = signed(body, forger)
            for data in (page(forged), canonical(forged) + b"\n"):
                path.write_bytes(data)
                given_files = {"fingerprint": office.fingerprint, "bundle": office.bundle}
                verdict = verify([path, office.log], **given_files)
                assert verdict.files[0].problems
                assert verdict.files[0].lines()
