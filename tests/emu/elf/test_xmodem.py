"""The hosts: XMODEM, XMODEM-1K and YMODEM against lrzsz and against what the protocols say; and raw bytes."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from emu.elf.host import Host
from emu.elf.raw import Raw
from emu.elf.xmodem import ACK, CAN, EOT, MAX_ERRORS, MAX_SILENCES, NAK, SOH, STX, XmodemHost, YmodemHost, block

DATA = bytes(range(256)) * 8
C = ord("C")


def xmodem(data: bytes = DATA, size: int = 128) -> XmodemHost:
    return XmodemHost(data, "app.bin", block_size=size)


def said(host: Host, *answers: int) -> bytes:
    return b"".join(host.receives(bytes([each]), 0) for each in answers)


def test_a_device_that_talks_and_never_asks_is_given_up() -> None:
    for host in (xmodem(), YmodemHost(DATA, "app.bin")):
        assert host.begins(1_000) == b""
        assert said(host, *b"tick\r\n") == b""
        assert host.due_us == 30_001_000
        assert host.wakes(30_001_000) == b""
        assert host.failure == "the device has not asked for a block, by C or NAK, for 30 s"
    asked = xmodem()
    asked.begins(0)
    assert said(asked, C) == block(1, DATA[:128], with_crc=True)
    assert asked.wakes(10_000_000) == block(1, DATA[:128], with_crc=True)
    assert asked.failure == ""


# -- against the real one -------------------------------------------------------------------------------------


def transfer(host: Host, command: list[str], folder: Path) -> None:
    """Until the host is at its end, over the pipes of a real receiver."""
    receiver = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert receiver.stdin is not None
    assert receiver.stdout is not None
    with receiver:
        sent = host.begins(0)
        while not (host.is_told or host.failure):
            if sent:
                receiver.stdin.write(sent)
                receiver.stdin.flush()
            assert select.select([receiver.stdout], [], [], 20)[0], "the receiver says nothing"
            heard = os.read(receiver.stdout.fileno(), 4096)
            assert heard, "the receiver has gone"
            sent = host.receives(heard, 0)
        receiver.stdin.close()
    assert receiver.returncode == 0


@pytest.mark.parametrize(
    ("size", "options", "length"), [(128, ["-c"], 1), (128, ["-c"], 1280), (128, [], 1000), (1024, ["-c"], 5000)]
)
def test_lrzsz_receives_what_xmodem_sends(tmp_path: Path, size: int, options: list[str], length: int) -> None:
    if shutil.which("rx") is None:
        pytest.skip("no lrzsz is installed: .ci/run installs it")
    data = (DATA * 3)[:length]
    transfer(xmodem(data, size), ["rx", *options, "got.bin"], tmp_path)
    got = (tmp_path / "got.bin").read_bytes()
    assert got[:length] == data
    assert set(got[length:]) <= {0x1A}
    assert len(got) < length + 128


def test_lrzsz_receives_what_ymodem_sends(tmp_path: Path) -> None:
    if shutil.which("rb") is None:
        pytest.skip("no lrzsz is installed: .ci/run installs it")
    host = YmodemHost(DATA[:1500], "app.bin")
    transfer(host, ["rb"], tmp_path)
    assert host.is_told
    assert (tmp_path / "app.bin").read_bytes() == DATA[:1500], "with its name, and to the byte"


# -- what the protocols say -----------------------------------------------------------------------------------


def test_the_receiver_begins_and_says_how_blocks_are_checked() -> None:
    host = xmodem()
    assert host.begins(0) == b""
    assert said(host, 0x00, ord("b")) == b"", "whatever else it prints"
    assert said(host, C) == block(1, DATA[:128], with_crc=True)
    assert said(xmodem(), NAK) == bytes([SOH, 1, 0xFE]) + DATA[:128] + bytes([sum(DATA[:128]) & 0xFF])


def test_a_crc_is_the_one_of_the_protocol() -> None:
    """CRC-16/XMODEM of its check string is 0x31C3; so is that of the string behind any number of zeros."""
    assert block(1, b"123456789".rjust(128, b"\0"), with_crc=True)[-2:] == bytes([0x31, 0xC3])


def test_blocks_are_numbered_on_padded_and_ended() -> None:
    host = xmodem(DATA[:130])
    assert said(host, C)[1] == 1
    second = said(host, ACK)
    assert second == block(2, DATA[128:130] + b"\x1a" * 126, with_crc=True)
    assert said(host, ACK) == bytes([EOT])
    assert not host.is_told
    assert said(host, NAK) == bytes([EOT]), "some ask twice"
    assert said(host, ACK) == b""
    assert host.is_told
    assert host.due_us is None


def test_the_number_of_a_block_wraps() -> None:
    host = xmodem(bytes(128 * 300))
    said(host, C)
    numbers = [said(host, ACK)[1] for _ in range(299)]
    assert numbers[253:257] == [255, 0, 1, 2]


def test_a_block_that_was_not_taken_is_sent_again_and_not_for_ever() -> None:
    host = xmodem()
    first = said(host, C)
    assert said(host, C, C) == b"", "one more that crossed the block"
    for _ in range(MAX_ERRORS):
        assert said(host, NAK) == first
    assert said(host, NAK) == b""
    assert host.failure == "the device asks for one block again and again"


def test_errors_are_forgotten_when_a_block_is_taken() -> None:
    host = xmodem()
    said(host, C)
    for _ in range(3):
        said(host, *[NAK] * MAX_ERRORS)
        said(host, ACK)
    assert host.failure == ""


def test_without_an_answer_the_block_is_sent_again() -> None:
    host = xmodem()
    assert host.due_us is None, "it waits to be asked"
    first = host.receives(b"C", 5)
    assert host.due_us == 10_000_005
    assert host.wakes(10_000_005) == first
    assert host.due_us == 20_000_005
    host.receives(b"?", 0)
    for _ in range(MAX_SILENCES):
        assert host.wakes(0) == first
    assert host.wakes(0) == b""
    assert host.failure == "the device does not answer"


def test_two_cancels_end_it_and_one_does_not() -> None:
    host = xmodem()
    said(host, C, CAN, ACK, CAN, CAN, ACK)
    assert host.failure == "the device has cancelled the transfer"


def test_long_blocks_end_with_short_ones() -> None:
    host = xmodem(DATA[:1920], 1024)
    assert said(host, C)[:3] == bytes([STX, 1, 0xFE])
    tail = said(host, *[ACK] * 7)
    assert [tail[at] for at in range(0, len(tail), 133)] == [SOH] * 7
    assert said(host, ACK) == bytes([EOT])


def test_ymodem_names_the_file_first_and_closes_the_batch() -> None:
    host = YmodemHost(DATA[:100], "app.bin")
    assert said(host, C) == block(0, b"app.bin\x00100".ljust(128, b"\0"), with_crc=True)
    assert said(host, NAK) == block(0, b"app.bin\x00100".ljust(128, b"\0"), with_crc=True)
    assert said(host, ACK) == b""
    assert said(host, C) == block(1, DATA[:100].ljust(128, b"\x1a"), with_crc=True)
    assert said(host, ACK, NAK, ACK) == bytes([EOT, EOT])
    assert said(host, C) == block(0, bytes(128), with_crc=True)
    assert not host.is_told
    said(host, ACK)
    assert host.is_told


# -- raw ------------------------------------------------------------------------------------------------------


def raw(**how: object) -> Raw:
    given = {"chunk": 0, "ack": b"", "pause_us": 0, "done": b""} | how
    return Raw(b"0123456789", "app.bin", **given)  # type: ignore[arg-type]


def test_raw_bytes_go_all_at_once() -> None:
    host = raw()
    assert host.begins(0) == b"0123456789"
    assert host.is_over
    assert not host.is_told


def test_a_chunk_waits_for_its_answer_and_for_its_pause() -> None:
    host = raw(chunk=4, ack=b"ok")
    assert host.begins(0) == b"0123"
    assert host.receives(b"o", 1) == b""
    assert host.receives(b"k", 2) == b"4567"
    host = raw(chunk=4, ack=b"k", pause_us=100)
    host.begins(0)
    assert host.receives(b"k", 50) == b""
    assert host.due_us == 150
    host.due_us = None
    assert host.wakes(150) == b"4567"
    assert host.due_us is None
    host = raw(chunk=4, pause_us=100)
    host.begins(0)
    assert host.due_us == 100


def test_the_last_chunk_ends_it_and_done_says_that_the_device_has_it() -> None:
    host = raw(chunk=5, ack=b"k")
    assert host.begins(0) + host.receives(b"k", 0) == b"0123456789"
    assert host.is_over
    host = raw(done=b"thanks")
    host.begins(0)
    assert not host.is_over
    host.receives(b"many thanks", 0)
    assert host.is_told
