"""Bundles of our own, archives by ordinary tools, and what becomes of a good bundle that something went wrong with."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.updater.workbench import (
    BUNDLE,
    FIRMWARE,
    NEW_APP,
    NEW_FS,
    Bench,
    app_entry,
    archive,
    feed,
    fs_entry,
    make_bench,
    manifest_entry,
    unhurried,
    update,
)
from updater import OtaState, UpdaterContext, UpdateState, make_bundle, updater_finish
from updater.bundle import manifest_of

CONTENT = {
    "manifest.json": json.dumps(manifest_of(FIRMWARE)).encode(),
    "app.bin": NEW_APP,
    "fs.img": NEW_FS,
}


# -- bundles of our own ----------------------------------------------------------------------------------


def test_a_bundle_is_a_zip_with_the_manifest_first_and_everything_stored() -> None:
    with zipfile.ZipFile(io.BytesIO(BUNDLE)) as opened:
        assert opened.testzip() is None
        entries = opened.infolist()
        assert [e.filename for e in entries] == [f"demo-2.1.7/{name}" for name in CONTENT]
        assert {(e.compress_type, e.flag_bits & 0x9) for e in entries} == {(zipfile.ZIP_STORED, 0)}
        assert opened.read(entries[1]) == NEW_APP
        assert opened.read(entries[2]) == NEW_FS


def test_the_manifest_in_a_bundle_says_what_is_in_it() -> None:
    manifest = manifest_of(FIRMWARE)
    assert {key: manifest[key] for key in ("name", "platform", "version", "build_id")} == {
        "name": "demo",
        "platform": "bench",
        "version": "2.1.7",
        "build_id": FIRMWARE.build_id,
    }
    assert manifest["parts"]["app"] == {
        "type": "app",
        "src": "app.bin",
        "addr": FIRMWARE.load_address,
        "size": len(NEW_APP),
        "cs_sha1": hashlib.sha1(NEW_APP).hexdigest(),
        "cs_sha256": hashlib.sha256(NEW_APP).hexdigest(),
    }
    assert (manifest["parts"]["fs"]["type"], manifest["parts"]["fs"]["size"]) == ("fs", len(NEW_FS))


def test_without_a_filesystem_there_is_no_fs_part_and_no_entry() -> None:
    plain = replace(FIRMWARE, fs=b"")
    assert list(manifest_of(plain)["parts"]) == ["app"]
    with zipfile.ZipFile(io.BytesIO(make_bundle(plain))) as opened:
        assert opened.namelist() == ["demo-2.1.7/manifest.json", "demo-2.1.7/app.bin"]


def test_without_a_filesystem_the_record_names_none_and_asks_for_no_merge() -> None:
    bench = make_bench()
    assert update(bench, make_bundle(replace(FIRMWARE, fs=b""))).result == 1
    config = bench.store.read().config
    assert config is not None
    assert not config.merge_fs
    assert (config.slots[1].fs_offset, config.slots[1].fs_length, config.slots[1].fs_crc) == (0, 0, 0)
    assert bench.slot_bytes(1)[24 * 1024 :] == b"\x5a" * 8192


def test_the_same_firmware_makes_the_same_bytes() -> None:
    assert make_bundle(replace(FIRMWARE)) == BUNDLE
    assert make_bundle(replace(FIRMWARE, version="2.1.8")) != BUNDLE


@unhurried
@given(app=st.binary(min_size=1, max_size=2000), fs=st.binary(max_size=700), address=st.integers(0, 0xFFFF_FFFF))
def test_every_bundle_is_taken(app: bytes, fs: bytes, address: int) -> None:
    bench = make_bench()
    context = update(bench, make_bundle(replace(FIRMWARE, app=app, fs=fs, load_address=address)))
    assert (context.result, context.detail) == (1, "the new image boots next")
    slot = bench.slot_bytes(1)
    assert slot[256 : 256 + len(app)] == app
    assert slot[24 * 1024 :][: len(fs)] == fs
    assert bench.misuses == []
    assert bench.boot().decision.rule == "trial"


def test_the_filesystem_may_come_before_the_application() -> None:
    first, second = make_bench(), make_bench()
    assert update(first, archive(manifest_entry(), fs_entry(), app_entry())).result == 1
    assert update(second, archive(manifest_entry(), app_entry(), fs_entry())).result == 1
    assert first.slot_bytes(1) == second.slot_bytes(1)
    assert first.config_bytes(0) == second.config_bytes(0)


# -- archives by ordinary tools --------------------------------------------------------------------------


def zipped(
    change: Callable[[zipfile.ZipInfo], None] = lambda info: None,
    *,
    method: int = zipfile.ZIP_STORED,
    directory: str = "demo/",
    force_zip64: tuple[str, ...] = (),
    stream: bool = False,
) -> bytes:
    """What Python's zipfile makes of the same three files."""

    class Pipe(io.RawIOBase):
        """A file that cannot go back, as standard output."""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            out.extend(data)
            return len(data)

    out = bytearray()
    buffer = io.BytesIO()
    with zipfile.ZipFile(Pipe() if stream else buffer, "w", method) as made:
        for name, content in CONTENT.items():
            info = zipfile.ZipInfo(directory + name, (2024, 2, 29, 23, 59, 58))
            info.compress_type = method
            change(info)
            with made.open(info, "w", force_zip64=name in force_zip64) as file:
                file.write(content)
    return bytes(out) or buffer.getvalue()


def with_timestamps(info: zipfile.ZipInfo) -> None:
    info.extra = bytes.fromhex("5554 0900 03 00000000 00000000 7578 0b00 01 04 e8030000 04 e8030000")


def with_comment(info: zipfile.ZipInfo) -> None:
    info.comment, info.create_system, info.external_attr = b"PK\x03\x04 as a comment", 3, 0o100644 << 16


def with_another_version(info: zipfile.ZipInfo) -> None:
    info.create_version = info.extract_version = 45


@pytest.mark.parametrize(
    "content",
    [
        zipped(),
        zipped(directory=""),
        zipped(directory="a much longer directory (with spaces)/"),
        zipped(with_timestamps),
        zipped(with_comment),
        zipped(with_another_version),
    ],
    ids=["plain", "no directory", "long directory", "timestamps", "comments", "version 4.5"],
)
def test_stored_archives_by_zipfile_are_taken_whatever_else_stands_in_them(content: bytes) -> None:
    bench = make_bench()
    assert update(bench, content).result == 1
    assert (bench.slot_bytes(1), bench.config_bytes(0)) == good()[1:]


UNFIT = {
    "deflated": (zipped(method=zipfile.ZIP_DEFLATED), -1, "Cannot handle compressed .zip"),
    "bzip2": (zipped(method=zipfile.ZIP_BZIP2), -1, "Cannot handle compressed .zip"),
    "lzma": (zipped(method=zipfile.ZIP_LZMA), -1, "Cannot handle compressed .zip"),
    "to a pipe": (zipped(stream=True), -1, "Malformed archive"),
    "zip64 app": (zipped(force_zip64=("app.bin",)), -7, "Invalid size"),
    "zip64 manifest": (zipped(force_zip64=("manifest.json",)), -1, "Failed to parse manifest"),
}


@pytest.mark.parametrize("label", UNFIT)
def test_other_archives_by_zipfile_are_refused_before_flash_is_touched(label: str) -> None:
    content, code, message = UNFIT[label]
    bench = make_bench()
    context = update(bench, content)
    assert (context.result, context.status_msg) == (code, message)
    assert context.detail
    assert bench.device.journal.entries == []


@pytest.mark.skipif(shutil.which("zip") is None, reason="the zip tool is not installed")
@pytest.mark.parametrize(
    ("options", "names", "expected"),
    [
        (["-0"], ["demo/manifest.json", "demo/app.bin", "demo/fs.img"], 1),
        (["-0", "-X", "-D", "-r"], ["demo/manifest.json", "demo"], 1),
        (["-0", "-j"], ["demo/manifest.json", "demo/fs.img", "demo/app.bin"], 1),
        (["-0", "-r"], ["demo"], -1),
        (["-9"], ["demo/manifest.json", "demo/app.bin", "demo/fs.img"], -1),
        (["-0", "-P", "secret"], ["demo/manifest.json", "demo/app.bin", "demo/fs.img"], -1),
    ],
    ids=["-0", "-0 -X -D -r", "-0 -j", "directory entry first", "-9", "password"],
)
def test_archives_by_the_zip_tool(tmp_path: Path, options: list[str], names: list[str], expected: int) -> None:
    (tmp_path / "demo").mkdir()
    for name, content in CONTENT.items():
        (tmp_path / "demo" / name).write_bytes(content)
    subprocess.run(["zip", "-q", *options, "update.zip", *names], cwd=tmp_path, check=True)
    bench = make_bench()
    context = update(bench, (tmp_path / "update.zip").read_bytes())
    assert context.result == expected, context.detail
    assert context.detail
    assert (bench.operations == []) == (expected < 0)


# -- whatever happens to a good bundle -------------------------------------------------------------------


@cache
def good() -> tuple[tuple[bytes, bytes, bytes], bytes, bytes]:
    """The untouchable before; destination slot and written config copy after the unharmed bundle."""
    bench = make_bench()
    before = bench.untouchable
    assert update(bench).result == 1
    return before, bench.slot_bytes(1), bench.config_bytes(0)


def judge(bench: Bench, context: UpdaterContext, returned: int) -> None:
    """Refused with everything in its place, or exactly the good image: nothing in between."""
    before, slot, config = good()
    assert bench.untouchable == before
    assert bench.misuses == []
    assert context.ota_state is (OtaState.ERROR if returned else OtaState.PROGRESS)
    if returned:
        assert returned < 0
        assert context.detail
        assert context.update_state is UpdateState.FINISHED
    if updater_finish(context) == 1:
        assert (bench.slot_bytes(1), bench.config_bytes(0)) == (slot, config)
        assert (bench.slot_bytes(0), bench.config_bytes(1)) == (before[0], before[2])
        assert bench.boot().decision.rule == "trial"
    else:
        assert bench.untouchable == before
        assert bench.boot().decision.rule == "normal"


@unhurried
@given(at=st.integers(0, len(BUNDLE) - 1), flip=st.integers(1, 255))
def test_a_wrong_byte_is_refused_or_changes_nothing(at: int, flip: int) -> None:
    bench = make_bench()
    context = bench.begin()
    judge(bench, context, feed(context, BUNDLE[:at] + bytes([BUNDLE[at] ^ flip]) + BUNDLE[at + 1 :]))


HEADERS = [
    at
    for name in CONTENT
    for start in [BUNDLE.index(b"PK\x03\x04", BUNDLE.index(f"demo-2.1.7/{name}".encode()) - 30)]
    for at in range(start, start + 30 + len(f"demo-2.1.7/{name}"))
]


@pytest.mark.parametrize("flip", [0x01, 0x08, 0x80, 0xFF])
def test_a_wrong_byte_in_any_local_header_is_refused_or_changes_nothing(flip: int) -> None:
    for at in HEADERS:
        bench = make_bench()
        context = bench.begin()
        judge(bench, context, feed(context, BUNDLE[:at] + bytes([BUNDLE[at] ^ flip]) + BUNDLE[at + 1 :]))


@unhurried
@given(size=st.integers(0, len(BUNDLE) - 1))
def test_a_missing_end_is_refused_or_was_not_needed(size: int) -> None:
    bench = make_bench()
    context = bench.begin()
    assert feed(context, BUNDLE[:size]) == 0
    judge(bench, context, 0)


@unhurried
@given(st.integers(0, len(BUNDLE)), st.integers(0, len(BUNDLE)), st.binary(max_size=40))
def test_a_stretch_that_was_replaced_is_refused_or_changes_nothing(first: int, second: int, other: bytes) -> None:
    low, high = sorted((first, second))
    bench = make_bench()
    context = bench.begin()
    judge(bench, context, feed(context, BUNDLE[:low] + other + BUNDLE[high:]))
