"""A rig file is read as strictly as a board: what is wrong, where, and what to do, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.errors import RigFileError
from emu.hil.external_rig import ExternalRig
from emu.hil.rig_file import load_rig
from tests.emu.hil.lab import EXAMPLE, process_rig

LINE = 'driver = "line"\non = "ON\\n"\noff = "OFF\\n"\nline = { kind = "tcp", host = "127.0.0.1", port = 1 }'


def refused(path: Path) -> str:
    with pytest.raises(RigFileError) as wrong:
        load_rig(path)
    message = str(wrong.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


def edited(folder: Path, old: str, new: str) -> Path:
    path = process_rig(folder)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["rig.toml", "one-config.toml"])
def test_the_examples_are_read(name: str) -> None:
    rig = load_rig(EXAMPLE / name)
    assert rig.update.startswith(b"version 2\n")
    assert rig.folder == EXAMPLE


def test_the_digest_follows_the_document(tmp_path: Path) -> None:
    first = load_rig(process_rig(tmp_path)).digest
    assert load_rig(process_rig(tmp_path)).digest == first
    assert load_rig(edited(tmp_path, "settle_ms = 60", "settle_ms = 61")).digest != first


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("settle_ms", "setle_ms", "unknown field `setle_ms`, at $.limits (did you mean `settle_ms`?)"),
        ('driver = "process"', 'driver = "relay"', "'relay' is none of process, line, command, at $.relay.driver"),
        ('kind = "pty"', 'kind = "tcp"\nport = 4000', "link: 'tcp' needs the key `host`"),
        ('kind = "pty"', 'kind = "pty"\nport = 4000', "link: the key `port` is not for 'pty'; leave it out"),
        ('kind = "pty"', 'kind = "tcp"\nhost = "a"\nport = 65536', "a whole number of at most 65535 is needed"),
        ('driver = "process"', 'driver = "process"\nanswer = "x"', "relay: the key `answer` is not for 'process'"),
        ("off_ms = 0", "off_ms = -1", "a whole number of at least 0 is needed, not -1, at $.relay.off_ms"),
        ("{work}/flash.bin", "{wrok}/flash.bin", "nothing stands for {wrok} (did you mean `work`?)"),
        ("{hex}", "{hax}", "update: step 1: send: nothing stands for {hax} (did you mean `hex`?)"),
        ("update {hex}\\n", "Ω", "update: step 1: send: 'Ω' is no byte; write characters up to \\u00ff"),
        ("^update begins$", "(", "update: step 1: expect: '(' is no regular expression"),
        ('dead = "^dead: "', 'dead = "x*"', "console: dead: 'x*' is found in an empty line: it says nothing"),
        ('"^running version 1, crc 38f3d8bd"', '""', "console: old: an expression is needed, not ''"),
        ("version 1, crc 38f3d8bd", "version 2, crc bf5180c4", "console: old and new are the same expression"),
        ("settle_ms = 60", 'settle_ms = 60\n[checks]\napply = ["wear"]', "'wear' is none of boots, whole, durable"),
        ("settle_ms = 60", 'settle_ms = 60\n[checks]\napply = ["boots", "boots"]', "apply names a check twice"),
        ("boot_s = 60", "boot_s = 0", "a number above 0.0 is needed, not 0, at $.limits.boot_s"),
        ("firmware-2.txt", "firmware-3.txt", "firmware-3.txt: cannot be read: No such file or directory"),
        ("[[update.step]]", 'command = ["true"]\n[[update.step]]', "give `[[update.step]]` or `command`, one of them"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in refused(edited(tmp_path, old, new))


def test_a_pty_needs_a_process(tmp_path: Path) -> None:
    path = process_rig(tmp_path)
    text = path.read_text(encoding="utf-8")
    start, end = text.index("[relay]"), text.index("off_ms")
    path.write_text(text[:start] + "[relay]\n" + LINE + "\n" + text[end:], encoding="utf-8")
    assert refused(path) == "link: a pty is the terminal of a process; relay driver 'line' has none"


def test_a_line_is_text_and_a_command_is_words(tmp_path: Path) -> None:
    tcp = 'kind = "tcp"\nhost = "127.0.0.1"\nport = 1'
    path = process_rig(tmp_path, link=tcp)
    text = path.read_text(encoding="utf-8")
    start, end = text.index("[relay]"), text.index("off_ms")
    for relay, said in (
        (LINE.replace('"ON\\n"', '["on"]'), "relay: on: 'line' needs text in quotes"),
        ('driver = "command"\non = "switch on"\noff = ["switch"]', "relay: on: 'command' needs a list of words"),
        ('driver = "command"\noff = ["switch"]', "relay: 'command' needs the key `on`"),
        (LINE.replace('"tcp", host', '"pty", host'), "relay: line: a relay board is at a tcp port or a serial device"),
    ):
        path.write_text(text[:start] + "[relay]\n" + relay + "\n" + text[end:], encoding="utf-8")
        assert said in refused(path)


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert refused(missing) == "cannot be read: No such file or directory"
    other = tmp_path / "other.toml"
    other.write_bytes(b"\xff\xfe")
    assert refused(other) == "not a UTF-8 text file"


def test_an_empty_update_is_none(tmp_path: Path) -> None:
    (tmp_path / "nothing.bin").write_bytes(b"")
    path = process_rig(tmp_path, update='[update]\nfile = "nothing.bin"\ncommand = ["true"]\n')
    assert refused(path).endswith("is empty; there is nothing to send")


def test_a_program_that_is_not_there_is_found_out_before_anything_is_switched(tmp_path: Path) -> None:
    path = edited(tmp_path, 'command = ["{python}"', 'command = ["no-such-program"')
    with pytest.raises(RigFileError, match="relay: command: there is no program 'no-such-program'; give its path"):
        ExternalRig(load_rig(path))


def test_what_a_console_cannot_tell_is_left_out_with_the_reason(tmp_path: Path) -> None:
    rig = load_rig(process_rig(tmp_path, console='[console]\nold = "one"\nnew = "two"\n'))
    with ExternalRig(rig) as device:
        assert device.checks == ("boots", "retries")
        assert device.lacks["whole"].startswith("console.image is not given")
        assert device.lacks["durable"] == device.lacks["reverts"]
        assert device.lacks["wear"] == "a console does not show erases"
        assert not any((device.capabilities.snapshot, device.capabilities.tears, device.capabilities.deterministic))
    full = load_rig(process_rig(tmp_path, more='[checks]\napply = ["boots", "whole"]\n'))
    with ExternalRig(full) as device:
        assert device.checks == ("boots", "whole")
        assert device.lacks["retries"] == "the rig does not claim it: checks.apply leaves it out"
        assert len(device.notes) == 1
