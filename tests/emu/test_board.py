"""Boards: what a good file means, and for every bad one a single line that names what is wrong and where."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emu.board import ALL_CHECKS, Board, board_names, load_board
from emu.device import EmulatedDevice
from emu.errors import BoardError
from tests.emu.helpers import BOARDS, rig_on

GOOD = """
name = "bench"
platform = "bench"
load_address = 0x08010000

[[flash]]
name = "nor"
part = "W25Q128JV"

[[partition]]
name = "config-0"
flash = "nor"
offset = 0x0
size = 0x1000

[[partition]]
name = "config-1"
flash = "nor"
offset = 0x1000
size = 0x1000

[[partition]]
name = "slot-a"
flash = "nor"
offset = 0x10000
size = 0x10000

[[partition]]
name = "slot-b"
flash = "nor"
offset = 0x20000
size = 0x10000

[layout]
configs = ["config-0", "config-1"]
slots = ["slot-a", "slot-b"]
"""
SLOT_B = 'name = "slot-b"\nflash = "nor"\noffset = 0x20000\nsize = 0x10000'


def written(folder: Path, old: str = "", new: str = "", *, more: str = "") -> Path:
    """The good file with ``old`` exchanged for ``new`` and ``more`` appended."""
    assert old in GOOD
    path = folder / "bench.toml"
    path.write_text((GOOD.replace(old, new, 1) if old else GOOD) + more, encoding="utf-8")
    return path


def refused(path: Path | str) -> str:
    """The one line a board file is refused with."""
    with pytest.raises(BoardError) as error:
        load_board(str(path))
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path)), "the line names the file first"
    return message


# -- good boards -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_every_bundled_board_carries_its_file_name_and_makes_a_device(name: str) -> None:
    board = load_board(name)
    assert board.name == name == board.document.name
    assert board.document.summary
    device = EmulatedDevice(board)
    assert [chip.name for chip in device.chips] == [entry.name for entry in board.document.flash]
    assert board.document.checks.apply == ALL_CHECKS


@pytest.mark.parametrize("name", BOARDS)
def test_every_bundled_board_takes_a_firmware_and_its_factory_device_runs_it(name: str) -> None:
    rig = rig_on(name)
    run = rig.run(rig.initial(0))
    assert (run.outcome.kind, run.outcome.image, run.outcome.committed) == ("settled", "old", True)


def test_the_bundled_names_are_sorted_and_have_the_demo_among_them() -> None:
    assert list(board_names()) == sorted(board_names())
    assert "demo" in board_names()


def test_a_board_file_is_loaded_by_its_path_and_gets_the_defaults(tmp_path: Path) -> None:
    board = load_board(str(written(tmp_path)))
    document = board.document
    assert (document.timers.commit_timeout_s, document.timers.watchdog_s) == (60, 0)
    assert (document.checks.apply, document.checks.max_resets, document.checks.max_erases) == (ALL_CHECKS, 8, 4)
    assert (document.link.chunk_size, document.app.self_test_ms, document.layout.fs_size) == (4096, 500, 0)


def test_a_path_without_a_suffix_is_a_path_when_it_has_a_slash(tmp_path: Path) -> None:
    written(tmp_path).rename(tmp_path / "bench")
    assert load_board(f"{tmp_path}/bench").name == "bench"


def test_a_part_file_is_looked_for_beside_the_board_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    bundled = resources.files("flash").joinpath("parts", "W25Q128JV.toml").read_text(encoding="utf-8")
    (parts / "ours.toml").write_text(bundled.replace('name = "W25Q128JV"', 'name = "OURS"', 1), encoding="utf-8")
    path = written(tmp_path, 'part = "W25Q128JV"', 'part_file = "parts/ours.toml"')
    monkeypatch.chdir("/")
    assert load_board(str(path)).parts["nor"].name == "OURS"


def test_the_digest_is_stable_and_covers_document_part_and_keys(tmp_path: Path) -> None:
    def digest(old: str = "", new: str = "", more: str = "") -> str:
        return load_board(str(written(tmp_path, old, new, more=more))).digest

    digests = [
        digest(),
        digest("size = 0x10000\n\n[layout]", "size = 0x11000\n\n[layout]"),
        digest(more="\n[timers]\nwatchdog_s = 3\n"),
        digest('part = "W25Q128JV"', 'part = "MX25R8035F"'),
    ]
    for _ in range(2):
        key_file(tmp_path, ed25519.Ed25519PrivateKey.generate())
        digests.append(digest(more='\n[verify]\nkeys = ["key.pem"]\n'))
    assert len(set(digests)) == len(digests)
    assert digest() == digests[0]


# -- parts -----------------------------------------------------------------------------------------------


def test_an_unknown_part_is_named_with_the_nearest_match(tmp_path: Path) -> None:
    message = refused(written(tmp_path, '"W25Q128JV"', '"W25Q128JW"'))
    assert "flash 'nor': no part named 'W25Q128JW' (did you mean `W25Q128JV`?)" in message


def test_a_missing_part_file_is_named(tmp_path: Path) -> None:
    message = refused(written(tmp_path, 'part = "W25Q128JV"', 'part_file = "gone.toml"'))
    assert f"flash 'nor': {tmp_path / 'gone.toml'}: cannot be read: No such file" in message


@pytest.mark.parametrize("new", ["", 'part = "W25Q128JV"\npart_file = "x.toml"'])
def test_a_flash_needs_a_part_or_a_part_file_and_not_both(tmp_path: Path, new: str) -> None:
    message = refused(written(tmp_path, 'part = "W25Q128JV"', new))
    assert "flash 'nor' needs part or part_file, one of them" in message


def test_two_flashes_of_one_name_are_refused(tmp_path: Path) -> None:
    message = refused(written(tmp_path, more='\n[[flash]]\nname = "nor"\npart = "MX25R8035F"\n'))
    assert "two flash entries share a name" in message
    assert "'nor'" in message, "the line says which name"


# -- partitions and layout -------------------------------------------------------------------------------


def test_overlapping_partitions_are_named_with_both_ranges(tmp_path: Path) -> None:
    message = refused(written(tmp_path, SLOT_B, SLOT_B.replace("0x20000", "0x1f000")))
    assert "'slot-a' [0x10000, 0x20000) and 'slot-b' [0x1f000, 0x2f000) of 'nor' overlap" in message


def test_equal_addresses_on_two_chips_do_not_overlap(tmp_path: Path) -> None:
    second = '\n[[flash]]\nname = "second"\npart = "MX25R8035F"\n'
    other = SLOT_B.replace('"nor"', '"second"').replace("0x20000", "0x10000")
    board = load_board(str(written(tmp_path, SLOT_B, other, more=second)))
    assert set(board.parts) == {"nor", "second"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("offset = 0x20000", "offset = 0x20800", "start 0x20800 is inside a sector; the sector starts at 0x20000"),
        ("size = 0x10000\n\n[layout]", "size = 0x10100\n\n[layout]", "end 0x30100 is inside a sector; the next"),
        ("offset = 0x20000", "offset = 0xff8000", "[0xff8000, 0x1008000) does not fit a device of 0x1000000 bytes"),
    ],
)
def test_a_partition_off_the_sector_grid_or_the_chip_is_named_with_its_addresses(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    message = refused(written(tmp_path, old, new))
    assert "partition 'slot-b': " in message
    assert said in message


def test_two_partitions_of_one_name_are_refused(tmp_path: Path) -> None:
    message = refused(written(tmp_path, 'name = "slot-b"', 'name = "slot-a"'))
    assert "two partitions are named 'slot-a'" in message


def test_a_partition_on_a_flash_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    message = refused(written(tmp_path, 'name = "slot-b"\nflash = "nor"', 'name = "slot-b"\nflash = "norr"'))
    assert "partition 'slot-b': no flash 'norr' (did you mean `nor`?)" in message


def test_a_layout_naming_no_partition_is_refused_with_the_nearest(tmp_path: Path) -> None:
    message = refused(written(tmp_path, '["slot-a", "slot-b"]', '["slot-a", "slot-c"]'))
    assert "layout: no partition 'slot-c' (did you mean `slot-b`?)" in message


@pytest.mark.parametrize(
    ("old", "new"),
    [('["slot-a", "slot-b"]', '["slot-a", "slot-a"]'), ('["config-0", "config-1"]', '["config-0", "slot-a"]')],
)
def test_a_layout_must_use_four_different_partitions(tmp_path: Path, old: str, new: str) -> None:
    assert "need four different partitions" in refused(written(tmp_path, old, new))


@pytest.mark.parametrize("slots", ['["slot-a"]', '["slot-a", "slot-b", "config-0"]'])
def test_a_layout_needs_exactly_two_slots(tmp_path: Path, slots: str) -> None:
    assert "$.layout.slots" in refused(written(tmp_path, '["slot-a", "slot-b"]', slots))


def test_a_filesystem_larger_than_a_slot_is_refused_with_the_slot_named(tmp_path: Path) -> None:
    path = written(tmp_path, 'slots = ["slot-a", "slot-b"]', 'slots = ["slot-a", "slot-b"]\nfs_size = 0x10000')
    assert "slot 'slot-a'" in refused(path)


# -- keys, values and the document -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "wrong", "near", "where"),
    [
        ("\n[timer]\nwatchdog_s = 1\n", "timer", "timers", ""),
        ("\n[timers]\nwatchdog = 1\n", "watchdog", "watchdog_s", "$.timers"),
        ("\n[checks]\nmax_reset = 1\n", "max_reset", "max_resets", "$.checks"),
        ("\n[verify]\nsha265 = true\n", "sha265", "sha256", "$.verify"),
    ],
)
def test_an_unknown_key_is_named_with_its_table_and_the_nearest_match(
    tmp_path: Path, more: str, wrong: str, near: str, where: str
) -> None:
    message = refused(written(tmp_path, more=more))
    assert f"unknown field `{wrong}`" in message
    assert f"(did you mean `{near}`?)" in message
    assert where in message


def test_an_unknown_key_of_a_partition_says_which_partition(tmp_path: Path) -> None:
    message = refused(written(tmp_path, SLOT_B, SLOT_B.replace("offset", "ofset")))
    assert "unknown field `ofset`" in message
    assert "(did you mean `offset`?)" in message
    assert "$.partition[" in message


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("size = 0x10000", "size = 0", "$.partition["),
        ("offset = 0x20000", "offset = -4096", "$.partition["),
        ("load_address = 0x08010000", 'load_address = "high"', "$.load_address"),
        ('platform = "bench"', "", "platform"),
    ],
)
def test_a_value_out_of_range_or_missing_says_where(tmp_path: Path, old: str, new: str, where: str) -> None:
    assert where in refused(written(tmp_path, old, new))


def test_an_unknown_check_is_refused(tmp_path: Path) -> None:
    message = refused(written(tmp_path, more='\n[checks]\napply = ["boots", "hole"]\n'))
    assert "'hole'" in message
    assert "$.checks.apply" in message


def test_a_commit_timeout_the_hardware_cannot_count_is_refused_with_both_figures(tmp_path: Path) -> None:
    message = refused(written(tmp_path, more="\n[timers]\ncommit_timeout_s = 27\ncommit_max_s = 26\n"))
    assert "commit_timeout_s 27" in message
    assert "commit_max_s 26" in message
    assert isinstance(
        load_board(str(written(tmp_path, more="\n[timers]\ncommit_timeout_s = 26\ncommit_max_s = 26\n"))), Board
    )


def test_bad_toml_is_named_with_its_line(tmp_path: Path) -> None:
    message = refused(written(tmp_path, "[layout]", "[layout"))
    assert "not valid TOML" in message
    assert "line" in message


def test_a_missing_file_a_folder_and_a_binary_are_each_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "gone.toml")
    assert "cannot be read: Is a directory" in refused(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\x7fELF\xff\xfe")
    assert "not a UTF-8 text file" in refused(binary)


def test_an_unknown_board_is_named_with_the_nearest_and_how_to_give_a_file() -> None:
    with pytest.raises(BoardError) as error:
        load_board("dmeo")
    assert str(error.value) == ("no board named 'dmeo' (did you mean `demo`?); a board file is given by its path")


# -- keys ------------------------------------------------------------------------------------------------


def key_file(folder: Path, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
    raw = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pem").write_bytes(raw)


def with_key(folder: Path) -> Path:
    return written(folder, more='\n[verify]\nkeys = ["key.pem"]\n')


@pytest.mark.parametrize("curve", ["ed25519", "p256"])
def test_keys_are_read_from_beside_the_board_file(tmp_path: Path, curve: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ed25519.Ed25519PrivateKey.generate() if curve == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    key_file(tmp_path, ours)
    path = with_key(tmp_path)
    monkeypatch.chdir("/")
    assert len(load_board(str(path)).policy.keys) == 1


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    assert "key key.pem: cannot be read: No such file" in refused(with_key(tmp_path))


@pytest.mark.parametrize("raw", [b"", b"not a key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_key_file_that_is_no_pem_key_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(raw)
    assert "key key.pem: not a PEM public key" in refused(with_key(tmp_path))


def test_a_key_on_another_curve_is_refused_with_what_is_known(tmp_path: Path) -> None:
    key_file(tmp_path, ec.generate_private_key(ec.SECP384R1()))
    assert "key key.pem: only Ed25519 and ECDSA P-256 keys are known" in refused(with_key(tmp_path))


def test_a_key_of_a_kind_nobody_knows_is_refused_with_what_is_known(tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    p256, unheard_of = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030177")
    assert p256 in raw
    body = base64.encodebytes(raw.replace(p256, unheard_of))
    (tmp_path / "key.pem").write_bytes(b"-----BEGIN PUBLIC KEY-----\n" + body + b"-----END PUBLIC KEY-----\n")
    assert "key key.pem: " in refused(with_key(tmp_path))
