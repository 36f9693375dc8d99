"""manifest.json: what is read from it, the order of its checks, and that a refusal costs nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootloader.image import ImageHeader, pack_header, parse_header
from tests.updater.workbench import (
    BUNDLE,
    FIRMWARE,
    LOAD_ADDRESS,
    NEW_APP,
    app_entry,
    archive,
    document,
    feed,
    fs_entry,
    make_bench,
    manifest_entry,
    unhurried,
    update,
)
from updater import Manifest, OtaState, UpdateRefused, UpdateState, parse_manifest, updater_finish, updater_process

DIGESTS = ("cs_sha1", "cs_sha256")
UNPARSED = (-1, "Failed to parse manifest")
MISSING = (-1, "Required manifest field missing")
FOREIGN = (-1, "Wrong platform")
INCOMPLETE = (-2, "Incomplete update package")
BAD_DIGEST = (-4, "Invalid checksum format")
NO_SLOT = (-3, "No slots available for update")


def parsed(content: object, platform: str = "bench") -> Manifest:
    return parse_manifest(content if isinstance(content, bytes) else json.dumps(content).encode(), platform=platform)


def top(**changes: Any) -> dict[str, Any]:
    """The good manifest with top-level keys changed; None: the key is not there."""
    return {key: value for key, value in (document() | changes).items() if value is not None}


# -- what is read ----------------------------------------------------------------------------------------


def test_a_manifest_says_who_for_whom_and_what() -> None:
    manifest = parsed(document())
    assert (manifest.name, manifest.platform, manifest.version) == ("demo", "bench", "2.1.7")
    assert (manifest.build_id, manifest.app_version) == (FIRMWARE.build_id, 0x0201_0007)
    assert (manifest.app.src, manifest.app.size, manifest.app.load_address) == ("app.bin", len(NEW_APP), LOAD_ADDRESS)
    assert manifest.fs is not None
    assert (manifest.fs.src, manifest.fs.size) == ("fs.img", len(FIRMWARE.fs))


def test_what_may_be_absent_may_be_absent() -> None:
    least = {"src": "a", "type": "app0", "cs_sha1": "AB" * 20}
    manifest = parsed({"platform": "bench", "version": "x", "build_id": "y", "parts": {"whatever": least}})
    assert (manifest.name, manifest.app_version, manifest.fs) == ("", 0, None)
    assert (manifest.app.size, manifest.app.sha1, manifest.app.sha256) == (None, "ab" * 20, "")
    assert (manifest.app.load_address, manifest.app.signature_scheme, manifest.app.signature) == (0, "none", b"")


def test_the_version_number_is_taken_where_it_is_given() -> None:
    assert parsed(top(version_number=0xFFFF_FFFF)).app_version == 0xFFFF_FFFF
    assert parsed(top(version_number=0)).app_version == 0


def test_load_addr_stands_in_for_addr() -> None:
    assert parsed(document(app={"addr": None, "load_addr": 0x2000_0000})).app.load_address == 0x2000_0000


def test_parts_of_other_types_are_left_alone() -> None:
    parts = {"boot": {"type": "boot", "src": "boot.bin", "cs_sha1": "no digest at all"}} | document()["parts"]
    assert parsed(top(parts=parts)).app.src == "app.bin"


@pytest.mark.parametrize(
    ("claimed", "device", "fits"),
    [
        ("stm32", "stm32", True),
        ("STM32", "stm32", True),
        ("Stm32F405", "sTM32", True),
        ("stm32", "stm32f405", False),
        ("stm3", "stm32", False),
        ("xstm32", "stm32", False),
        ("esp32", "stm32", False),
    ],
)
def test_the_platform_is_compared_without_case_over_the_devices_own_length(
    claimed: str, device: str, fits: bool
) -> None:
    if fits:
        assert parsed(top(platform=claimed), device).platform == claimed
    else:
        with pytest.raises(UpdateRefused, match=device) as refused:
            parsed(top(platform=claimed), device)
        assert (refused.value.code, refused.value.message) == FOREIGN


# -- what is refused -------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[object, tuple[int, str]]] = {
    "empty file": (b"", UNPARSED),
    "half a file": (json.dumps(document()).encode()[:-1], UNPARSED),
    "not UTF-8": (b'{"name": "\xff"}', UNPARSED),
    "a list": ([], UNPARSED),
    "a number too long to count": (b'{"platform": ' + b"1" * 5000 + b"}", UNPARSED),
    "ten thousand brackets": (b"[" * 10_000, UNPARSED),
    "platform is a number": (top(platform=7), UNPARSED),
    "name is a list": (top(name=["demo"]), UNPARSED),
    "version_number beyond 32 bits": (top(version_number=1 << 32), UNPARSED),
    "version_number negative": (top(version_number=-1), UNPARSED),
    "version_number is text": (top(version_number="2"), UNPARSED),
    "version_number is true": (top(version_number=True), UNPARSED),
    "parts of text": (top(parts={"app": "app.bin"}), UNPARSED),
    "size negative": (document(app={"size": -1}), UNPARSED),
    "size of true": (document(app={"size": True}), UNPARSED),
    "addr beyond 32 bits": (document(app={"addr": 1 << 32}), UNPARSED),
    "scheme unknown": (document(app={"signature_scheme": "rot13"}), UNPARSED),
    "scheme is a list": (document(app={"signature_scheme": []}), UNPARSED),
    "signature not hex": (document(app={"signature": "zz"}), UNPARSED),
    "signature of 81 bytes": (document(app={"signature": "00" * 81}), UNPARSED),
    "src is a number": (document(app={"src": 1}), UNPARSED),
    "no platform": (top(platform=None), MISSING),
    "platform empty": (top(platform=""), MISSING),
    "no version": (top(version=None), MISSING),
    "no build_id": (top(build_id=None), MISSING),
    "no parts": (top(parts=None), MISSING),
    "parts empty": (top(parts={}), MISSING),
    "parts is a list": (top(parts=[1]), MISSING),
    "empty object": ({}, MISSING),
    "wrong platform": (top(platform="benc"), FOREIGN),
    "no app": (document(app=None), INCOMPLETE),
    "app without src": (document(app={"src": None}), INCOMPLETE),
    "app without digests": (document(app={"cs_sha1": None, "cs_sha256": None}), INCOMPLETE),
    "fs without src": (document(fs={"src": ""}), INCOMPLETE),
    "fs without digests": (document(fs={"cs_sha1": "", "cs_sha256": ""}), INCOMPLETE),
    "SHA-1 too short": (document(app={"cs_sha1": "ab" * 19}), BAD_DIGEST),
    "SHA-1 not hex": (document(app={"cs_sha1": "xy" * 20}), BAD_DIGEST),
    "SHA-256 too long": (document(app={"cs_sha256": "ab" * 33}), BAD_DIGEST),
    "SHA-256 of the fs with a blank": (document(fs={"cs_sha256": " " + "a" * 63}), BAD_DIGEST),
    "app too big": (document(app={"size": 24 * 1024 - 255}), NO_SLOT),
    "app of 4 GiB": (document(app={"size": 0xFFFF_FFFF}), NO_SLOT),
    "fs too big": (document(fs={"size": 8 * 1024 + 1}), NO_SLOT),
}


@pytest.mark.parametrize("label", REFUSED)
def test_a_wrong_manifest_is_refused_before_flash_is_touched(label: str) -> None:
    content, expected = REFUSED[label]
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    bench = make_bench()
    context = bench.begin()
    assert feed(context, archive(manifest_entry(raw), app_entry(), fs_entry())) == expected[0]
    assert (context.result, context.status_msg) == expected
    assert context.detail
    assert (context.update_state, context.ota_state) == (UpdateState.FINISHED, OtaState.ERROR)
    assert updater_process(context, BUNDLE) == expected[0]
    assert updater_finish(context) == -1
    assert bench.device.journal.entries == []
    assert bench.boot().decision.rule == "normal"


def test_a_manifest_whose_crc_is_wrong_is_not_even_parsed() -> None:
    bench = make_bench()
    context = bench.begin()
    assert feed(context, archive(manifest_entry(b"no manifest", crc32=1))) == -1
    assert context.status_msg == "Invalid CRC"
    assert context.detail
    assert bench.device.journal.entries == []


def test_a_crc_of_zero_says_nothing() -> None:
    content = archive(manifest_entry(crc32=0), app_entry(crc32=0), fs_entry(crc32=0))
    assert update(make_bench(), content).result == 1


def test_checks_come_in_order_fields_platform_parts() -> None:
    wrong = top(platform="other", build_id="", parts={"app": {"type": "app", "cs_sha1": "short"}})
    cures = {"build_id": "b", "platform": "bench"}
    for cured, expected in (({}, MISSING), ({"build_id": "b"}, FOREIGN), (cures, BAD_DIGEST)):
        with pytest.raises(UpdateRefused) as refused:
            parsed(wrong | cured)
        assert (refused.value.code, refused.value.message) == expected


def test_one_source_cannot_be_application_and_filesystem() -> None:
    bench = make_bench()
    before = bench.untouchable
    shared = document(fs={"src": "app.bin", "size": None} | {key: document()["parts"]["app"][key] for key in DIGESTS})
    context = update(bench, archive(manifest_entry(shared), app_entry()))
    assert context.result < 0, "finished an update whose filesystem was in no entry"
    assert bench.untouchable == before


def test_what_the_manifest_signs_stands_in_the_header() -> None:
    signed = document(app={"signature_scheme": "ed25519", "signature": "A5" * 64})
    bench = make_bench()
    assert update(bench, archive(manifest_entry(signed | {"version_number": 77}), app_entry(), fs_entry())).result == 1
    header = parse_header(bench.slot_bytes(1)[:256])
    assert isinstance(header, ImageHeader)
    assert (header.signature_scheme, header.signature, header.app_version) == ("ed25519", b"\xa5" * 64, 77)


# -- the same version ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "build_id", "same"),
    [
        ("2.1.7", FIRMWARE.build_id, True),
        ("2.1.7-dirty", FIRMWARE.build_id + "-dirty", True),
        ("2.1.7", "another", False),
        ("2.1", FIRMWARE.build_id, False),
        ("2.1.8", FIRMWARE.build_id, False),
    ],
)
def test_the_same_version_is_success_without_an_update_where_asked_for(version: str, build_id: str, same: bool) -> None:
    bench = make_bench()
    bench.target.version, bench.target.build_id = version, build_id
    before = bench.untouchable
    context = bench.begin(ignore_same_version=True)
    if not same:
        assert feed(context, BUNDLE) == 0
        assert updater_finish(context) == 1
        return
    assert feed(context, BUNDLE) == 1
    assert (context.result, context.status_msg) == (1, "Version is the same as current")
    assert (context.ota_state, context.update_state) == (OtaState.SUCCESS, UpdateState.FINISHED)
    assert (context.need_reboot, bench.device.journal.entries, bench.untouchable) == (False, [], before)
    assert updater_finish(context) == -1
    assert bench.boot().decision.rule == "normal"


def test_the_same_version_is_an_update_like_any_other_where_nobody_asks() -> None:
    bench = make_bench()
    bench.target.version, bench.target.build_id = "2.1.7", FIRMWARE.build_id
    assert update(bench).need_reboot


def test_a_foreign_manifest_is_no_same_version() -> None:
    bench = make_bench()
    bench.target.version, bench.target.build_id = "2.1.7", FIRMWARE.build_id
    context = bench.begin(ignore_same_version=True)
    assert feed(context, archive(manifest_entry(document() | {"platform": "other"}))) == -1
    assert context.status_msg == "Wrong platform"


# -- whatever stands in it -------------------------------------------------------------------------------

values = (None, True, -1, 0, 7, 0xFFFF_FFFF, 1 << 32, 1.5, "", "app.bin", "2.0", "00" * 20, "00" * 80, [], {})
changes = st.dictionaries(st.sampled_from(sorted(document()["parts"]["app"])), st.sampled_from(values), max_size=1)
top_changes = st.dictionaries(st.sampled_from([*document(), "version_number"]), st.sampled_from(values), max_size=1)


@example(app={"addr": None}, fs={}, whole={})
@unhurried
@given(app=changes, fs=changes, whole=top_changes)
def test_whatever_is_accepted_can_be_written_into_an_image_header(
    app: dict[str, Any], fs: dict[str, Any], whole: dict[str, Any]
) -> None:
    made = document()
    made["parts"]["app"] |= app
    made["parts"]["fs"] |= fs
    try:
        manifest = parsed(made | whole)
    except UpdateRefused as refused:
        assert refused.code < 0
        assert refused.message and refused.detail
    else:
        part = manifest.app
        fields = (part.load_address, manifest.app_version, 0, bytes(32), part.signature_scheme, part.signature)
        assert len(pack_header(ImageHeader(1, *fields))) == 256


@unhurried
@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused_in_words(raw: bytes) -> None:
    with pytest.raises(UpdateRefused) as refused:
        parse_manifest(raw, platform="bench")
    assert refused.value.code < 0
    assert refused.value.message and refused.value.detail
