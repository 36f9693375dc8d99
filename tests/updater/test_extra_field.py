"""Extra field 0x293a of manifest.json: found among others, by any chunking, and refused in one way where malformed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.updater.workbench import (
    FIRMWARE,
    app_entry,
    archive,
    entry,
    feed,
    fs_entry,
    make_bench,
    manifest_entry,
    unhurried,
)
from updater import UpdateRefused, make_bundle, open_bundle, updater_finish
from updater.archive import extra_field, parse_entry

ATTRIBUTES = {"sig0": "AAAA", "sig7": "BBBB", "note": {"any": ["thing"]}}


def field(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(content).to_bytes(2, "little") + content


FIELD = field(0x293A, json.dumps(ATTRIBUTES).encode())
TIMES = field(0x5455, b"\x03" + bytes(8))
OWNER = field(0x7875, bytes(11))
EMPTY = field(0xCAFE, b"")


def attributes(extra: bytes, name: str = "demo/manifest.json") -> object:
    header = parse_entry(entry(name, b"{}", extra=extra))
    assert header is not None
    return header.attributes


def test_the_field_is_id_length_and_json_in_little_endian() -> None:
    assert extra_field({"sig0": "AAAA"}) == b"\x3a\x29\x0f\x00" + b'{"sig0":"AAAA"}'


@pytest.mark.parametrize(
    "extra",
    [FIELD, TIMES + OWNER + FIELD, FIELD + OWNER, EMPTY + FIELD + EMPTY, extra_field(ATTRIBUTES)],
    ids=["alone", "last", "first", "between empty ones", "as it is made here"],
)
def test_the_attributes_are_found_wherever_the_field_stands(extra: bytes) -> None:
    assert attributes(extra) == ATTRIBUTES


@pytest.mark.parametrize("extra", [b"", TIMES + OWNER, EMPTY, field(0x3A29, FIELD), field(0x293A, b"{}")])
def test_without_the_field_or_with_nothing_in_it_there_are_none(extra: bytes) -> None:
    assert attributes(extra) == {}


@unhurried
@given(
    before=st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4),
    after=st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4),
)
def test_fields_of_others_change_nothing(before: list[tuple[int, bytes]], after: list[tuple[int, bytes]]) -> None:
    around = [b"".join(field(*other) for other in side if other[0] != 0x293A) for side in (before, after)]
    assert attributes(around[0] + FIELD + around[1]) == ATTRIBUTES


MALFORMED = {
    "one byte": b"\x3a",
    "half a head": FIELD + b"\x00\x00\x00",
    "a length beyond the end": FIELD[:-1],
    "another field beyond the end": FIELD + field(0x5455, bytes(9))[:-1],
    "no JSON": field(0x293A, b"sig0"),
    "nothing": field(0x293A, b""),
    "no UTF-8": field(0x293A, b'{"sig0":"\xff"}'),
    "no object": field(0x293A, b'["sig0"]'),
    "JSON without end": field(0x293A, b"[" * 900),
    "twice": FIELD + TIMES + FIELD,
}


@pytest.mark.parametrize("label", MALFORMED)
def test_malformed_fields_are_refused_by_device_and_tool_alike_before_flash_is_touched(label: str) -> None:
    raw = archive(manifest_entry(extra=MALFORMED[label]), app_entry(), fs_entry())
    bench = make_bench()
    context = bench.begin()
    assert feed(context, raw) == -1
    assert context.status_msg == "Malformed archive"
    assert context.detail.startswith("the extra fields of manifest.json are malformed: ")
    assert "\n" not in context.detail
    assert bench.device.journal.entries == []
    with pytest.raises(UpdateRefused) as refused:
        open_bundle(raw, platform="bench")
    assert (refused.value.message, refused.value.detail) == (context.status_msg, context.detail)


@pytest.mark.parametrize("label", MALFORMED)
def test_extra_fields_of_other_entries_are_skipped_unseen(label: str) -> None:
    assert attributes(MALFORMED[label], "demo/app.bin") == {}
    context = make_bench().begin()
    assert feed(context, archive(manifest_entry(), app_entry(extra=MALFORMED[label]), fs_entry())) == 0
    assert updater_finish(context) == 1


@unhurried
@given(st.binary(max_size=60))
def test_any_extra_field_is_read_or_refused(extra: bytes) -> None:
    try:
        assert isinstance(attributes(extra), dict)
    except UpdateRefused as wrong:
        assert (wrong.code, wrong.message) == (-1, "Malformed archive")


def test_a_bundle_that_nobody_signed_has_no_extra_field() -> None:
    header = parse_entry(make_bundle(FIRMWARE)[:1024])
    assert header is not None
    assert header.header_size == 30 + len("demo-2.1.7/manifest.json")
