"""`open_bundle` has the whole archive and no device; it takes what a device takes, and refuses in the same words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.updater.workbench import (
    BUNDLE,
    FIRMWARE,
    NEW_APP,
    NEW_FS,
    app_entry,
    archive,
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
from updater import UpdateRefused, open_bundle, updater_finish

FIRST = manifest_entry()
OTHER_APP = b"\1" + NEW_APP[1:]
REFUSED = {
    "folder first": archive(entry("demo/"), FIRST, app_entry(), fs_entry()),
    "manifest too large": archive(manifest_entry(padded(16385)), app_entry(), fs_entry()),
    "CRC of the manifest": archive(manifest_entry(crc32=1), app_entry(), fs_entry()),
    "platform": archive(manifest_entry(document() | {"platform": "other"}), app_entry(), fs_entry()),
    "CRC of the app": archive(FIRST, app_entry(crc32=1), fs_entry()),
    "CRC of the fs": archive(FIRST, app_entry(), fs_entry(crc32=1)),
    "digest": archive(FIRST, app_entry(OTHER_APP), fs_entry()),
    "SHA-1": archive(manifest_entry(document(app={"cs_sha1": "0" * 40})), app_entry(), fs_entry()),
    "SHA-256": archive(manifest_entry(document(fs={"cs_sha256": "0" * 64})), app_entry(), fs_entry()),
    "size": archive(manifest_entry(document(app={"size": 7})), app_entry(), fs_entry()),
    "no fs": archive(FIRST, app_entry()),
    "app twice": archive(FIRST, app_entry(), app_entry(), fs_entry()),
    "fs twice": archive(FIRST, app_entry(), fs_entry(), entry("fs.img", NEW_FS)),
    "65 entries": archive(FIRST, app_entry(), *junk(63), fs_entry()),
    "long header": archive(FIRST, app_entry(extra=bytes(1024 - 41)), fs_entry()),
    "compressed": archive(FIRST, app_entry(), fs_entry(method=8)),
    "no header": FIRST + app_entry() + b"none" + archive(fs_entry()),
}
TAKEN = {
    "its own": BUNDLE,
    "fs first": archive(FIRST, fs_entry(), app_entry()),
    "no CRC": archive(FIRST, app_entry(crc32=0), fs_entry(crc32=0)),
    "no size": archive(manifest_entry(document(app={"size": None})), app_entry(), fs_entry()),
    "the limits": archive(
        manifest_entry(padded(16384)), app_entry(extra=bytes(1024 - 42)), *junk(62), fs_entry()
    ),
    "others twice": archive(FIRST, entry("note", b"1"), app_entry(), entry("note", b"2"), fs_entry()),
    "others with a wrong CRC": archive(FIRST, entry("note", b"1", crc32=1), app_entry(), fs_entry()),
    "manifest twice": archive(FIRST, app_entry(), manifest_entry(b"{}"), fs_entry()),
}  # fmt: skip


@pytest.mark.parametrize("label", REFUSED)
def test_what_a_device_refuses_is_refused_in_the_same_words(label: str) -> None:
    context = make_bench().begin()
    assert feed(context, REFUSED[label]) < 0
    with pytest.raises(UpdateRefused) as refused:
        open_bundle(REFUSED[label], platform="bench")
    said = refused.value
    assert (said.code, said.message, said.detail) == (context.result, context.status_msg, context.detail)


@pytest.mark.parametrize("name", ["app", "fs"])
def test_a_part_without_a_byte_is_refused(name: str) -> None:
    of_nothing = {"size": 0, "cs_sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "cs_sha256": None}
    first = manifest_entry(document(**{name: of_nothing}))
    raw = archive(first, app_entry(b"" if name == "app" else NEW_APP), fs_entry(b"" if name == "fs" else NEW_FS))
    context = make_bench().begin()
    assert feed(context, raw) == -7
    with pytest.raises(UpdateRefused, match="has 0 bytes") as refused:
        open_bundle(raw, platform="bench")
    assert (refused.value.code, refused.value.message) == (-7, context.status_msg)


@pytest.mark.parametrize("label", TAKEN)
def test_what_a_device_takes_is_opened(label: str) -> None:
    context = make_bench().begin()
    assert feed(context, TAKEN[label]) == 0
    assert updater_finish(context) == 1
    manifest, entries = open_bundle(TAKEN[label], platform="bench")
    assert (manifest, manifest.version) == (context.manifest, FIRMWARE.version)
    assert (entries["app.bin"], entries["fs.img"]) == (NEW_APP, NEW_FS)


def test_of_two_entries_that_no_part_names_the_first_is_kept_and_the_manifest_is_none_of_them() -> None:
    _, entries = open_bundle(TAKEN["others twice"], platform="bench")
    assert entries == {"note": b"1", "app.bin": NEW_APP, "fs.img": NEW_FS}


def taken_by_both(raw: bytes) -> tuple[bool, bool]:
    context = make_bench().begin()
    is_taken = feed(context, raw) == 0 and updater_finish(context) == 1
    try:
        open_bundle(raw, platform="bench")
    except UpdateRefused as refused:
        assert refused.detail
        return is_taken, False
    return is_taken, True


@unhurried
@given(at=st.integers(0, len(BUNDLE) - 1), flip=st.integers(1, 255))
def test_a_wrong_byte_is_judged_alike(at: int, flip: int) -> None:
    device, tool = taken_by_both(BUNDLE[:at] + bytes([BUNDLE[at] ^ flip]) + BUNDLE[at + 1 :])
    assert device == tool


@unhurried
@given(st.integers(0, len(BUNDLE)), st.integers(0, len(BUNDLE)), st.binary(max_size=40))
def test_a_stretch_that_was_replaced_is_judged_alike(first: int, second: int, other: bytes) -> None:
    low, high = sorted((first, second))
    device, tool = taken_by_both(BUNDLE[:low] + other + BUNDLE[high:])
    assert device == tool
