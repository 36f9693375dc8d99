"""`brownout parts`: the SFDP table on a part's page, and a part file made of a real chip's dump."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from flash.part import bundled_part, load_part, part_names
from flash.sfdp import compare, decode, describe, table
from tests.emu.cli.command import Brownout
from tests.flash.sfdp_dumps import DUMPS, SIBLINGS, basic_of

MACRONIX = DUMPS["MX25R8035F"].raw
TITLE = "SFDP: what it answers 5A with"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "chip.bin"
    path.write_bytes(MACRONIX)
    return path


def words(text: str) -> str:
    return " ".join(text.split())


# -- on the page of a part ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", part_names())
def test_the_page_of_a_part_has_its_table_in_words_and_fits_100_columns(brownout: Brownout, name: str) -> None:
    page, part = brownout("parts", name).out, bundled_part(name)
    answers = part.serial is not None and part.serial.sfdp is not None
    assert (TITLE in page) == answers
    assert max(len(line) for line in page.splitlines()) <= 100
    if answers:
        for line in describe(decode(table(part))):
            assert line in words(page)


def test_the_page_says_where_a_real_chips_table_is_known_to_differ(brownout: Brownout) -> None:
    page = words(brownout("parts", "W25Q128JV").out)
    assert "differs: DWORD 10, type_1_time: the datasheet's 45 ms, as quoted, is written 48 ms; its own table" in page
    assert "a real chip's table differs" not in brownout("parts", "W25Q64JV").out
    assert "differs: DWORD 1, address:" in words(brownout("parts", "IS25WP256").out)


def test_a_part_whose_figures_no_table_can_say_has_a_page_all_the_same(brownout: Brownout, tmp_path: Path) -> None:
    source = resources.files("flash").joinpath("parts", "AT25FF321A.toml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(source.replace("max = 2816000", "max = 281600000"), encoding="utf-8")
    ran = brownout("parts", "--file", mine)
    assert ran.code == 0
    assert "no table can be made: AT25FF321A: type_3_time: a maximum of 2.816e+08 us is more than" in words(ran.out)


def test_other_opcodes_for_a_program_than_for_an_erase_are_said(brownout: Brownout) -> None:
    assert "suspend 75h, resume 7Ah (a program: 85h, 8Ah):" in brownout("parts", "S25FL256S").out


# -- a dump ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*DUMPS, *sorted(set(SIBLINGS) - {"GD25Q128C"})])
def test_a_part_file_is_made_of_a_dump_and_says_what_the_dump_says(
    brownout: Brownout, tmp_path: Path, name: str
) -> None:
    raw = (DUMPS.get(name) or SIBLINGS[name]).raw
    (tmp_path / "chip.bin").write_bytes(raw)
    out = tmp_path / "mine.toml"
    ran = brownout("parts", "--from-sfdp", tmp_path / "chip.bin", "--jedec-id", "c22814", "--out", out)
    assert (ran.code, ran.err) == (0, "")
    part = load_part(out)
    assert (part.name, part.jedec_id) == ("chip", "C22814")
    assert {d.dword for d in compare(part, raw) if "table" not in d.field and d.field != "address"} == set()
    assert f"written: {out}" in ran.out
    assert "what its SFDP table says" in ran.out
    assert brownout("parts", "--file", out).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chip.bin", "mine.toml"]


XXD = "\n".join(
    f"{at:08x}: {MACRONIX[at : at + 16].hex(' ', 2):<39}  SFDP.....{'a' * 7}" for at in range(0, len(MACRONIX), 16)
)
HEXDUMP = "\n".join(
    f"{at:08x}  {MACRONIX[at : at + 8].hex(' ')}  {MACRONIX[at + 8 : at + 16].hex(' ')}  |SFDP..aabbccdd..|"
    for at in range(0, len(MACRONIX), 16)
)
TEXTS = {
    "xxd -p": "\n".join(MACRONIX.hex()[at : at + 60] for at in range(0, 2 * len(MACRONIX), 60)),
    "xxd": XXD,
    "hexdump -Cv": HEXDUMP + f"\n{len(MACRONIX):08x}\n",
    "blanks, capitals": MACRONIX.hex(" ").upper() + "\r\n",
    "C array": "{ " + ", ".join(f"0x{byte:02X}" for byte in MACRONIX) + ", };",
    "devicetree, basic table alone": "[ " + basic_of(MACRONIX).hex(" ") + " ];",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_hex_is_read_as_tools_print_it(brownout: Brownout, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "chip.txt"
    file.write_text(TEXTS[kind], encoding="ascii", newline="")
    ran = brownout("parts", "--from-sfdp", file, "--name", "MX", "--out", tmp_path / "mine.toml")
    assert (ran.code, ran.err) == (0, "")
    found = load_part(tmp_path / "mine.toml")
    assert (found.name, found.jedec_id, found.size) == ("MX", "000000", 1 << 20)
    assert [d for d in compare(found, MACRONIX) if d.dword] == []


def test_without_out_the_dump_is_explained_and_nothing_written(brownout: Brownout, dump: Path) -> None:
    ran = brownout("parts", "--from-sfdp", dump)
    assert ran.code == 0
    for line in describe(decode(MACRONIX)):
        assert line in ran.out
    assert "--out FILE writes a part file of it" in ran.out
    assert [path.name for path in dump.parent.iterdir()] == ["chip.bin"]


def test_a_document_on_stdout_stands_alone(brownout: Brownout, dump: Path, tmp_path: Path) -> None:
    toml = brownout("parts", "--from-sfdp", dump, "--out", "-").out
    (tmp_path / "mine.toml").write_text(toml, encoding="utf-8")
    assert load_part(tmp_path / "mine.toml").size == 1 << 20
    document = json.loads(brownout("parts", "--from-sfdp", dump, "--name", "MX", "--json", "-").out)
    assert [entry["name"] for entry in document["parts"]] == ["MX"]
    assert document["parts"][0]["boards"] == []


# -- refusals ----------------------------------------------------------------------------------------------

HYBRID_LIE = bytearray(MACRONIX)
HYBRID_LIE[0x30 + 7 * 4 : 0x30 + 9 * 4] = bytes.fromhex("0c 20 0d 20 00 ff 00 ff")
SAME_OPCODE = bytearray(MACRONIX)
SAME_OPCODE[0x30 + 9] = 0x6B


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; dump at least"),
        (b" \n", "is empty; dump at least"),
        (MACRONIX[:64], "is said to be at [0x30, 0x70), and the dump ends at 0x40"),
        (b"\xff" * 300, "a table begins with 53 46 44 50 (SFDP); these bytes begin with FF FF FF FF"),
        (b"\xff" * 30, "36 to 92 bytes; these are 30"),
        (b"hello, world\n", "line 1: not bytes in hex, and the file is no binary SFDP dump either"),
        (b"53 46 44 50\n06 01 0\n", "line 2: not bytes in hex"),
        (b"00000000  53 46 44 50\n*\n00000100\n", "line 2: `*` leaves lines out"),
        (b"SFDP\x06\x02" + MACRONIX[6:], "major revision 2"),
        (bytes(SAME_OPCODE), "serial: opcode 0x6b is both read 1-4-4 and read 1-1-4"),
        (b"\xff" * ((1 << 20) + 1), "has 1048577 bytes, more than the 1048576 it may have"),
    ],
)
def test_a_dump_that_is_none_is_one_line_and_nothing_is_written(
    brownout: Brownout, dump: Path, content: bytes, message: str
) -> None:
    dump.write_bytes(content)
    out = dump.parent / "mine.toml"
    out.write_text("mine", encoding="utf-8")
    ran = brownout("parts", "--from-sfdp", dump, "--out", out)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert str(dump) in ran.err
    assert message in ran.err
    assert out.read_text(encoding="utf-8") == "mine"
    assert len(list(dump.parent.iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("W25Q128JV", "--from-sfdp", "DUMP"), "NAME, --filter, --file and --from-sfdp each choose parts"),
        (("--name", "MX"), "--name belongs to --from-sfdp FILE"),
        (("--jedec-id", "C22814"), "--jedec-id belongs to --from-sfdp FILE"),
        (("W25Q128JV", "--out", "x.toml"), "--out belongs to --from-sfdp FILE"),
        (("--from-sfdp", "DUMP", "--jedec-id", "C228"), "--jedec-id 'C228': six hex digits"),
        (("--from-sfdp", "DUMP", "--jedec-id", "C2281X"), "--jedec-id 'C2281X': six hex digits"),
        (("--from-sfdp", "DUMP", "--name", ""), "--name '': a part's name is 1 to 64 printable characters"),
        (("--from-sfdp", "DUMP", "--name", "a\nb"), "a part's name is 1 to 64 printable characters"),
        (("--from-sfdp", "DUMP.none"), "cannot be read: No such file"),
        (("--from-sfdp", "FOLDER"), "cannot be read: Is a directory; give a dump"),
        (("--from-sfdp", "DUMP", "--out", "FOLDER/none/x.toml"), "there is no folder"),
        (("--from-sfdp", "DUMP", "--out", "DUMP"), "chip.bin: is an input too and would be overwritten"),
        (("--from-sfdp", "DUMP", "--out", "FOLDER/a", "--json", "FOLDER/a"), "--out and --json both go to"),
        (("--from-sfdp", "DUMP", "--out", "-", "--json", "-"), "--out and --json both go to stdout"),
    ],
)
def test_a_wrong_call_is_one_line(brownout: Brownout, dump: Path, arguments: tuple[str, ...], message: str) -> None:
    given = [text.replace("DUMP", str(dump)).replace("FOLDER", str(dump.parent)) for text in arguments]
    ran = brownout("parts", *given)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert dump.read_bytes() == MACRONIX
    assert len(list(dump.parent.iterdir())) == 1
