"""SPEC.md's reference of board and part files is complete: keys, choices, bounds and defaults are the structs' own."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emu.board import Board, BoardFile, load_board, make_board
from emu.errors import BoardError
from flash.command_set import CommandSet
from flash.device import FlashDevice
from flash.figure import Figure
from flash.part import Part, part_from_text
from flash.tomlfile import decode_toml
from tests.spec import BLOCKS, FENCE, section

Found = dict[tuple[str, str], type[msgspec.Struct]]
ROOTS: dict[str, type[msgspec.Struct]] = {"Board file": BoardFile, "Part file": Part}
BOARDS = sorted(name for kind, name in BLOCKS if kind == "toml" and name.startswith("board-"))
PARTS = sorted(name for kind, name in BLOCKS if kind == "toml" and name.startswith("part-"))


def arguments(kind: Any) -> list[Any]:
    """A type, and every type it is made of."""
    inside = [one for argument in get_args(kind) if get_origin(kind) is not Literal for one in arguments(argument)]
    return [kind, *inside]


def structs_of(file: str) -> Found:
    """(file, heading of its table in SPEC.md) for every struct that is reached from the document's own."""
    found: Found = {(file, f"{file}, top level"): ROOTS[file]}

    def visit(kind: type[msgspec.Struct], path: str) -> None:
        hints = get_type_hints(kind)
        for field in msgspec.structs.fields(kind):
            for inner in arguments(hints[field.name]):
                if not (isinstance(inner, type) and issubclass(inner, msgspec.Struct)):
                    continue
                if inner is Figure:
                    found[file, "A figure"] = inner
                    continue
                below = f"{path}{field.name}"
                is_list = get_origin(hints[field.name]) is tuple
                found[file, f"`[[{below}]]`" if is_list else f"`[{below}]`"] = inner
                visit(inner, f"{below}.")

    visit(ROOTS[file], "")
    return found


STRUCTS = structs_of("Board file") | structs_of("Part file")


def rows(file: str, heading: str) -> dict[str, list[str]]:
    """The table under a heading: key to its other cells; a row "`key0` to `key7`" stands for eight."""
    body = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", section(f"{file}s"), re.MULTILINE | re.DOTALL)
    assert body, f"SPEC.md, {file}s: no heading {heading!r}"
    assert body[1].count("| key | type, range | default | meaning, and what is refused |") == 1
    found: dict[str, list[str]] = {}
    for line in re.findall(r"^\| `.*$", body[1], re.MULTILINE):
        first, *rest = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(rest) == 3, line
        names = re.findall(r"`([a-z0-9_]+)`", first)
        if " to " in first:
            stem, low, high = names[0][:-1], int(names[0][-1]), int(names[1][-1])
            names = [f"{stem}{number}" for number in range(low, high + 1)]
        for name in names:
            assert name not in found, f"{heading}: {name} stands there twice"
            found[name] = rest
    return found


@pytest.mark.parametrize(("file", "heading"), STRUCTS)
def test_a_table_has_every_key_and_no_other_in_the_order_of_the_struct(file: str, heading: str) -> None:
    expected = [field.name for field in msgspec.structs.fields(STRUCTS[file, heading])]
    assert list(rows(file, heading)) == expected


@pytest.mark.parametrize("file", ROOTS)
def test_every_heading_with_a_table_belongs_to_a_struct(file: str) -> None:
    headings = re.findall(r"^### (.*)$", section(f"{file}s"), re.MULTILINE)
    assert sorted(headings) == sorted(heading for of, heading in STRUCTS if of == file)
    assert CommandSet in STRUCTS.values() and Figure in STRUCTS.values()


@pytest.mark.parametrize(("file", "heading"), STRUCTS)
def test_defaults_are_those_of_the_code(file: str, heading: str) -> None:
    table = rows(file, heading)
    for field in msgspec.structs.fields(STRUCTS[file, heading]):
        told = table[field.name][1]
        if field.required:
            assert told == "needed", field.name
        elif field.default is None:
            assert told == "none", field.name
        elif isinstance(field.default, msgspec.Struct):
            assert told == "all defaults", field.name
        elif told == "all of them":
            assert set(field.default) == set(choices(get_type_hints(STRUCTS[file, heading])[field.name]))
        else:
            value = tomllib.loads(f"value = {told.strip('`')}")["value"]
            shown = tuple(value) if isinstance(value, list) else value
            assert (shown, type(shown)) == (field.default, type(field.default)), field.name


def choices(kind: Any) -> list[str | int]:
    return [choice for one in arguments(kind) if get_origin(one) is Literal for choice in get_args(one)]


@pytest.mark.parametrize(("file", "heading"), STRUCTS)
def test_every_choice_of_a_key_is_named_and_no_other(file: str, heading: str) -> None:
    kinds = get_type_hints(STRUCTS[file, heading], include_extras=True)
    for name, (told, *_) in rows(file, heading).items():
        offered = choices(kinds[name])
        named = [one.strip('"') for one in re.findall(r"`([^`]*)`", told)]
        if offered and isinstance(offered[0], str):
            assert sorted(named) == sorted(str(one) for one in offered), name
        elif offered:
            assert sorted(int(one) for one in re.findall(r"\d+", told)) == sorted(offered), name


@pytest.mark.parametrize(("file", "heading"), STRUCTS)
def test_bounds_of_numbers_are_those_of_the_code(file: str, heading: str) -> None:
    spelled = {0xFFFF_FFFF: "2^32 - 1", 1 << 30: "2^30"}
    words = {"opcode": "0 to 255", "list of opcodes": "list of 0 to 255", "clocks": "0 to 31", "time": "0 or more"}
    kinds = get_type_hints(STRUCTS[file, heading], include_extras=True)
    for name, (told, *_) in rows(file, heading).items():
        metas = [meta for meta in direct_metas(kinds[name]) if meta.ge is not None or meta.gt is not None]
        for meta in metas:
            low = meta.ge if meta.ge is not None else meta.gt
            said = words.get(told, told)
            if meta.gt is not None:
                low_words = "above 0" if "above" in said else "1"
                assert low_words in said and low == 0, name
            else:
                assert re.search(rf"(?<![\d.]){re.escape(f'{low:g}')}(?![\d.])", said), f"{heading} {name}: {said}"
            if meta.le is not None:
                high = spelled.get(int(meta.le), f"{int(meta.le)}")
                assert said.removesuffix(", a multiple of 4").endswith(f"to {high}"), f"{heading} {name}: {said}"
            else:
                assert "or more" in said or "above" in said, f"{heading} {name}: {said}"


def direct_metas(kind: Any) -> list[msgspec.Meta]:
    """The bounds of a key that is a number or a list of numbers."""
    if get_origin(kind) in (Union, UnionType):
        return []
    if get_origin(kind) is tuple:
        first = get_args(kind)[0]
        return [] if get_origin(first) is tuple else direct_metas(first)
    return [meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]


# -- the examples ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every example as a file, under the names they use for each other, with a key of today."""
    for name in BOARDS:
        (tmp_path / f"{name}.toml").write_text(BLOCKS["toml", name], encoding="utf-8")
    for name in PARTS:
        (tmp_path / f"{name.removeprefix('part-')}.toml").write_text(BLOCKS["toml", name], encoding="utf-8")
    public = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    (tmp_path / "release.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return tmp_path


def made(name: str, folder: Path) -> Board:
    return make_board(decode_toml(BLOCKS["toml", name], BoardFile, where=name, error=BoardError), folder, name)


def test_the_named_blocks_are_these_and_stand_in_their_sections() -> None:
    for title, names in (("Board files", BOARDS), ("Part files", PARTS)):
        assert sorted(name for _, name, _ in FENCE.findall(section(title))) == names
        assert not re.findall(r"^```\w+\s*$", section(title), re.MULTILINE)
    assert (BOARDS, PARTS) == (["board-node", "board-signed"], ["part-node-mcu", "part-node-nor"])


@pytest.mark.parametrize("name", BOARDS)
def test_an_example_board_loads(name: str, folder: Path) -> None:
    board = made(name, folder)
    assert load_board(str(folder / f"{name}.toml")).digest == board.digest
    assert all(entry.part_file for entry in board.document.flash)


@pytest.mark.parametrize("name", PARTS)
def test_an_example_part_loads_and_its_device_counts_from_0(name: str) -> None:
    part = part_from_text(BLOCKS["toml", name], name)
    assert FlashDevice(part).read(0, 4) == b"\xff" * 4
    assert (part.serial is not None) == (part.kind == "spi-nor")


def test_the_examples_show_what_the_text_says_they_show(folder: Path) -> None:
    signed = made("board-signed", folder)
    assert len(signed.policy.keys) == 1 and signed.document.update.sig_req_mask == 1
    assert [key is not None for key in signed.update_keys] == [True] + [False] * 7
    assert signed.parts["nor"].serial is not None
    node = made("board-node", folder).parts["internal"]
    assert (node.kind, node.base) == ("mcu-word", 0x0800_0000)


def test_the_parts_document_points_to_where_trust_is_explained() -> None:
    line = re.search(r"^\| `trust` \|.*$", section("Results of the other commands"), re.MULTILINE)
    assert line and '"Part files"' in line[0] and "above" not in line[0]
