"""Local headers: what is read from them, and every archive that is refused, with its code and message.

What a header alone gives away is refused before anything is erased. What shows only after data has been written
costs the destination slot and nothing else: the device still boots what it ran before.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.updater.workbench import (
    BUNDLE,
    NEW_APP,
    NEW_FS,
    TAIL,
    app_entry,
    archive,
    deflated,
    document,
    entry,
    feed,
    fs_entry,
    junk,
    make_bench,
    manifest_entry,
    padded,
    unhurried,
)
from updater import OtaState, UpdateRefused, UpdateState, updater_finish, updater_process
from updater.archive import EntryHeader, at_end, parse_entry

HUGE = {"stored": 0xFFFF_FFFF, "original": 0xFFFF_FFFF}
ENCRYPTED, DESCRIPTOR = 1, 8
MALFORMED = "Malformed archive"
NO_HEADER = "Malformed archive (invalid file header)"
COMPRESSED = "Cannot handle compressed .zip"
TOO_LONG = "Too long file name"
BAD_SIZE = "Invalid size"


# -- one header ------------------------------------------------------------------------------------------


def refused(window: bytes) -> UpdateRefused:
    with pytest.raises(UpdateRefused) as caught:
        parse_entry(window)
    return caught.value


def refusal(window: bytes) -> tuple[int, str]:
    return refused(window).code, refused(window).message


SAMPLE = entry("demo-1.0/app.bin", b"content", crc32=0xDEADBEEF, extra=b"\x55\x54\x02\x00\x01\x02")


def test_a_header_says_name_without_first_directory_size_crc_and_its_own_length() -> None:
    assert parse_entry(SAMPLE) == EntryHeader("app.bin", 7, 0xDEADBEEF, 30 + 16 + 6, "demo-1.0/app.bin")


def test_a_header_is_not_taken_before_its_last_byte_is_there() -> None:
    assert [parse_entry(SAMPLE[:size]) for size in range(52)] == [None] * 52
    assert parse_entry(SAMPLE[:52]) == parse_entry(SAMPLE)


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        ("app.bin", "app.bin"),
        ("demo/app.bin", "app.bin"),
        ("demo/sub/app.bin", "sub/app.bin"),
        ("demo/", ""),
        ("demo/..app..bin", "..app..bin"),
        ("x" * 49, "x" * 49),
        ("d" * 900 + "/" + "x" * 49, "x" * 49),
        ("ä" * 24 + "x", "ä" * 24 + "x"),
    ],
)
def test_the_first_directory_and_only_it_is_removed(name: str, stripped: str) -> None:
    header = parse_entry(entry(name))
    assert header is not None
    assert header.name == stripped


@pytest.mark.parametrize("name", ["x" * 50, "demo/" + "x" * 50, "ä" * 25, "demo/" + "s/" * 22 + "abcdef"])
def test_a_name_of_fifty_bytes_or_more_is_too_long(name: str) -> None:
    assert refusal(entry(name)) == (-1, TOO_LONG)


CLIMBING = [
    "../manifest.json",
    "demo/../app.bin",
    "demo/../../../etc/app.bin",
    "demo/sub/..",
    "..",
    "/app.bin",
    "//app.bin",
    "demo\\app.bin",
    "..\\app.bin",
    "demo/app.bin\0.txt",
]


@pytest.mark.parametrize("name", CLIMBING)
def test_a_name_that_leaves_its_directory_is_refused(name: str) -> None:
    assert refusal(entry(name)) == (-1, MALFORMED)


def test_checks_come_in_order_signature_compression_flags_sizes_name() -> None:
    wrong = {"flags": ENCRYPTED | DESCRIPTOR, "stored": 1, "original": 2}
    assert refusal(entry("../" + "x" * 60, method=8, magic=b"PK\x03\x05", **wrong)) == (-1, NO_HEADER)
    assert refusal(entry("../" + "x" * 60, method=8, **wrong)) == (-1, COMPRESSED)
    for kept, said in ((("flags", "stored", "original"), "encrypted"), (("stored", "original"), "differs from")):
        assert said in refused(entry("../" + "x" * 60, **{key: wrong[key] for key in kept})).detail
    assert "leaves its directory" in refused(entry("../" + "x" * 60)).detail


@pytest.mark.parametrize(
    ("window", "expected"),
    [(b"PK\x01\x02", True), (b"PK\x05\x06", True), (b"PK\x03\x04", False), (b"PK\x01", False), (b"", False)],
)
def test_entries_end_where_the_central_directory_or_the_end_record_begins(window: bytes, expected: bool) -> None:
    assert at_end(window) is expected


@unhurried
@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_are_a_header_too_few_or_refused(raw: bytes, is_signed: bool) -> None:
    window = b"PK\x03\x04" + raw if is_signed else raw
    try:
        header = parse_entry(window)
    except UpdateRefused as wrong:
        assert wrong.code == -1
        assert wrong.message and wrong.detail
    else:
        assert header is None or (header.header_size <= len(window) and len(header.name.encode()) < 50)


# -- whole archives that a header gives away -------------------------------------------------------------


FIRST = manifest_entry()
NO_SIZES = manifest_entry(document(app={"size": None}, fs={"size": None}))
REFUSED_BY_HEADER = {
    "compressed manifest": (archive(manifest_entry(method=8)), -1, COMPRESSED),
    "compressed app": (archive(FIRST, app_entry(method=8)), -1, COMPRESSED),
    "compressed stranger": (archive(FIRST, entry("demo/notes", method=12)), -1, COMPRESSED),
    "bomb at once": (deflated("manifest.json"), -1, COMPRESSED),
    "bomb behind a manifest": (FIRST + deflated("app.bin"), -1, COMPRESSED),
    "manifest of 4 GiB": (archive(manifest_entry(**HUGE)), -1, "Failed to parse manifest"),
    "manifest of 16385": (archive(manifest_entry(padded(16385)), app_entry()), -1, "Failed to parse manifest"),
    "app of 4 GiB": (archive(FIRST, app_entry(**HUGE)), -7, BAD_SIZE),
    "app of 4 GiB, size unsaid": (archive(NO_SIZES, app_entry(**HUGE)), -7, BAD_SIZE),
    "fs of 4 GiB": (archive(FIRST, fs_entry(**HUGE)), -7, BAD_SIZE),
    "fs of 4 GiB, size unsaid": (archive(NO_SIZES, fs_entry(**HUGE)), -7, BAD_SIZE),
    "stranger of 4 GiB": (archive(FIRST, entry("demo/notes", **HUGE)), -7, BAD_SIZE),
    "app one byte short": (archive(FIRST, app_entry(NEW_APP[:-1])), -7, BAD_SIZE),
    "app of nothing": (archive(NO_SIZES, app_entry(b"")), -7, BAD_SIZE),
    "app one byte over its room": (archive(NO_SIZES, app_entry(bytes(24 * 1024 - 255))), -7, BAD_SIZE),
    "fs one byte over its room": (archive(NO_SIZES, fs_entry(bytes(8 * 1024 + 1))), -7, BAD_SIZE),
    "two sizes": (archive(FIRST, app_entry(original=len(NEW_APP) + 1)), -1, MALFORMED),
    "encrypted manifest": (archive(manifest_entry(flags=ENCRYPTED)), -1, MALFORMED),
    "encrypted app": (archive(FIRST, app_entry(flags=ENCRYPTED)), -1, MALFORMED),
    "data descriptor": (archive(FIRST, app_entry(flags=DESCRIPTOR, crc32=0, stored=0, original=0)), -1, MALFORMED),
    "data descriptor, sizes given": (archive(FIRST, app_entry(flags=DESCRIPTOR)), -1, MALFORMED),
    "data descriptor of the manifest": (archive(manifest_entry(flags=DESCRIPTOR)), -1, MALFORMED),
    "app first": (archive(app_entry(), FIRST, fs_entry()), -1, ""),
    "directory first": (archive(entry("demo/"), FIRST, app_entry(), fs_entry()), -1, ""),
    "manifest one level too deep": (archive(entry("demo/sub/manifest.json", b"{}")), -1, ""),
    "65 entries": (archive(FIRST, *junk(64), app_entry(), fs_entry()), -1, MALFORMED),
    "header of 1025": (archive(FIRST, app_entry(extra=bytes(1025 - 30 - 12))), -1, MALFORMED),
    "manifest header of 1025": (archive(manifest_entry(extra=bytes(1025 - 30 - 18))), -1, MALFORMED),
    "long name": (archive(FIRST, entry("demo/" + "x" * 50)), -1, TOO_LONG),
    "name not UTF-8": (archive(FIRST, entry(b"demo/\xff\xfe")), -1, MALFORMED),
    "no archive": (b"#!/bin/sh\n" + BUNDLE, -1, NO_HEADER),
    "empty archive": (TAIL[-22:], -1, NO_HEADER),
    "junk behind the manifest": (FIRST + b"junk" + app_entry() + TAIL, -1, NO_HEADER),
    "nothing behind the manifest": (archive(FIRST), -2, "Incomplete update package"),
} | {f"name {name!r}": (archive(FIRST, entry(name, NEW_APP), app_entry()), -1, MALFORMED) for name in CLIMBING}


@pytest.mark.parametrize("label", REFUSED_BY_HEADER)
def test_what_a_header_gives_away_is_refused_before_flash_is_touched(label: str) -> None:
    content, code, message = REFUSED_BY_HEADER[label]
    bench = make_bench()
    context = bench.begin()
    assert feed(context, content) == code
    assert (context.result, context.status_msg) == (code, message)
    assert context.detail
    assert (context.update_state, context.ota_state) == (UpdateState.FINISHED, OtaState.ERROR)
    assert updater_process(context, BUNDLE) == code
    assert updater_finish(context) == -1
    assert bench.device.journal.entries == []
    assert bench.boot().decision.rule == "normal"


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (app_entry(), "the first entry is 'demo/app.bin', it must be manifest.json, at most one folder deep"),
        (
            entry("a/b/manifest.json"),
            "the first entry is 'a/b/manifest.json', it must be manifest.json, at most one folder",
        ),
        (entry("demo/"), "the first entry is the folder 'demo/', it must be manifest.json: name it first, and leave"),
    ],
)
def test_a_wrong_first_entry_is_told_in_the_detail_alone_as_it_stands_in_the_archive(first: bytes, said: str) -> None:
    context = make_bench().begin()
    feed(context, archive(first, FIRST, app_entry(), fs_entry()))
    assert context.status_msg == ""
    assert context.detail.startswith(said)


# -- archives that are wrong further in ------------------------------------------------------------------

BAD_APP = NEW_APP[:-1] + b"\x01"
BAD_FS = b"F" + NEW_FS[1:]
LIES = {key: manifest_entry(document(app={key: "0" * digits})) for key, digits in (("cs_sha1", 40), ("cs_sha256", 64))}
REFUSED_LATE = {
    "CRC of the app": (archive(FIRST, app_entry(crc32=1), fs_entry()), -1, "Invalid CRC"),
    "CRC of the fs": (archive(FIRST, app_entry(), fs_entry(crc32=1)), -1, "Invalid CRC"),
    "digest of the app": (archive(FIRST, app_entry(BAD_APP), fs_entry()), -10, "Digest mismatch"),
    "digest of the fs": (archive(FIRST, app_entry(), fs_entry(BAD_FS)), -10, "Digest mismatch"),
    "digest where CRC is absent": (archive(FIRST, app_entry(BAD_APP, crc32=0), fs_entry()), -10, "Digest mismatch"),
    "SHA-1 alone": (archive(LIES["cs_sha1"], app_entry(), fs_entry()), -10, "Digest mismatch"),
    "SHA-256 alone": (archive(LIES["cs_sha256"], app_entry(), fs_entry()), -10, "Digest mismatch"),
    "no app": (archive(FIRST, fs_entry()), -2, "Incomplete update package"),
    "no fs": (archive(FIRST, app_entry()), -2, "Incomplete update package"),
    "app in another directory": (archive(FIRST, entry("demo/sub/app.bin", NEW_APP), fs_entry()), -2,
                                 "Incomplete update package"),
    "app twice": (archive(FIRST, app_entry(), app_entry(), fs_entry()), -1, MALFORMED),
    "fs twice": (archive(FIRST, app_entry(), fs_entry(), fs_entry()), -1, MALFORMED),
    "65 entries": (archive(FIRST, app_entry(), *junk(64), fs_entry()), -1, MALFORMED),
    "compressed fs": (archive(FIRST, app_entry(), fs_entry(method=8)), -1, COMPRESSED),
    "fs of 4 GiB": (archive(FIRST, app_entry(), fs_entry(**HUGE)), -7, BAD_SIZE),
    "climbing name": (archive(FIRST, app_entry(), entry("demo/../fs.img", NEW_FS)), -1, MALFORMED),
    "junk between": (FIRST + app_entry() + b"\0" + fs_entry() + TAIL, -1, NO_HEADER),
}  # fmt: skip


@pytest.mark.parametrize("running", [0, 1])
@pytest.mark.parametrize("label", REFUSED_LATE)
def test_what_shows_late_costs_the_destination_slot_only(label: str, running: int) -> None:
    content, code, message = REFUSED_LATE[label]
    bench = make_bench(running=running)
    before = bench.untouchable
    context = bench.begin()
    assert feed(context, content) == code
    assert (context.result, context.status_msg) == (code, message)
    assert context.detail
    assert (context.update_state, context.ota_state) == (UpdateState.FINISHED, OtaState.ERROR)
    assert updater_process(context, BUNDLE) == code
    assert updater_finish(context) == -1
    assert bench.operations != []
    assert bench.misuses == []
    assert bench.untouchable == before
    decision = bench.boot().decision
    assert (decision.rule, decision.slot) == ("normal", running)


WHOLE = archive(FIRST, app_entry(), fs_entry())
TO_APP, TO_FS, TO_END = len(FIRST), len(FIRST) + len(app_entry()), len(WHOLE) - len(TAIL)
CUTS = {
    "nothing arrived": (0, UpdateState.INITED),
    "in the manifest's header": (20, UpdateState.WAITING_MANIFEST_HEADER),
    "in the manifest": (TO_APP - 1, UpdateState.WAITING_MANIFEST),
    "behind the manifest": (TO_APP, UpdateState.WAITING_FILE_HEADER),
    "in the app": (TO_APP + 900, UpdateState.WAITING_FILE),
    "before the app's last byte": (TO_FS - 1, UpdateState.WAITING_FILE),
    "in the fs header": (TO_FS + 40, UpdateState.WAITING_FILE_HEADER),
    "before the fs's last byte": (TO_END - 1, UpdateState.WAITING_FILE),
    "before the central directory": (TO_END, UpdateState.WAITING_FILE_HEADER),
    "in the central directory's signature": (TO_END + 3, UpdateState.WAITING_FILE_HEADER),
}


@pytest.mark.parametrize("label", CUTS)
def test_a_truncated_archive_cannot_be_finished_but_can_go_on(label: str) -> None:
    size, state = CUTS[label]
    bench = make_bench()
    before = bench.untouchable
    context = bench.begin()
    assert feed(context, WHOLE[:size]) == 0
    assert context.update_state is state
    assert updater_finish(context) == -1
    assert (context.status_msg, context.update_state) == ("Wrong state for finalize", state)
    assert context.detail
    assert bench.untouchable == before
    assert bench.boot().decision.rule == "normal"
    assert feed(context, WHOLE[size:]) == 0
    assert updater_finish(context) == 1
    assert context.status_msg == "Update applied, finalizing"


def test_limits_are_reached_before_they_are_exceeded() -> None:
    fullest = archive(manifest_entry(padded(16384)), app_entry(extra=bytes(1024 - 42)), *junk(62), fs_entry())
    context = make_bench().begin()
    assert feed(context, fullest) == 0
    assert updater_finish(context) == 1


@pytest.mark.parametrize("size", [TO_END + 4, len(WHOLE) - 1, len(WHOLE), len(WHOLE) + 5000])
def test_nothing_behind_the_central_directorys_signature_matters(size: int) -> None:
    context = make_bench().begin()
    assert feed(context, WHOLE[:size].ljust(size, b"?")) == 0
    assert context.update_state is UpdateState.WRITE_FINISHED
    assert updater_finish(context) == 1
