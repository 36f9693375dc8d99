"""What may be wrong with the [update] of a board for an ELF: one line that says what was seen and what to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.elf.board import load_elf_board
from emu.errors import BoardError

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.elf.uart_boards import HOST, uart_board

ONE_OF_THEM = "give protocol (raw, xmodem, xmodem-1k, ymodem) or host (FILE.py:NAME), one of them"


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ("", None),
        ('protocol = "zmodem"', "zmodem"),
        ('protocol = "xmodem"\nhost = "h.py:H"', ONE_OF_THEM),
        ("baud = 9600", ONE_OF_THEM),
        ('protocol = "xmodem"\nchunk = 4', 'update.chunk: is for protocol = "raw"; leave it out'),
        ('protocol = "raw"\nack = "k"', "update.ack: without update.chunk nothing is sent behind the answer"),
        ('protocol = "raw"\nafter = "\\u20ac"', "update.after: '€' is no text of bytes: use characters up to \\u00ff"),
        ('host = "h.py"', "update.host: 'h.py' is not FILE.py:NAME, the name of a class in a file"),
        ('host = "h.py:H"', "h.py: cannot be read: No such file or directory; give a file of Python"),
        ('host = "bad.py:H"', "bad.py: line 1: NameError: name 'x' is not defined"),
        ('host = "host.py:Yours"', "host.py: nothing is called 'Yours'; write class Yours(emu.elf.host.Host)"),
        ('host = "host.py:other"', "no class derived from emu.elf.host.Host is 'other'"),
    ],
)  # fmt: skip
def test_a_wrong_update_is_one_line(tmp_path: Path, update: str, message: str | None) -> None:
    (tmp_path / "bad.py").write_text("x\n")
    (tmp_path / "host.py").write_text(HOST + "other = 1\n")
    path = uart_board(tmp_path, update=update)
    if message is None:
        assert load_elf_board(path).update is not None
        return
    with pytest.raises(BoardError) as caught:
        load_elf_board(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('port = "USART1"', 'port = "USART9"', "update.port: STM32F103xB has no UART 'USART9' (did you mean `USART"),
        ('"waiting"]', '"wating"]', "accept: 'wating' is no [[image]]"),
        ('[[image]]\nname = "new"', '[[image]]\nname = "waiting"', "a name of its own, and not 'unknown' or 'waiting'"),
        ("send = ", "file = ", "file"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = uart_board(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BoardError) as caught:
        load_elf_board(path)
    assert message in str(caught.value)
