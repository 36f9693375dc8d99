"""SPEC.md, "Published boot configs", says what the code does: the dumps, and the tables of offsets."""

from __future__ import annotations

import re

import pytest

from bootloader.published.cc3200 import initial_config, pack_cc3200
from bootloader.published.mos1 import RECORD_SIZE, pack_mos1, parse_mos1
from emu.designs.table import DESIGNS
from tests.bootloader.test_published_mos1 import DEFAULT, STAGED
from tests.spec import dump, section

TITLE = "Published boot configs"


@pytest.mark.parametrize(("name", "config"), [("mos1-default", DEFAULT), ("mos1-staged", STAGED)])
def test_a_record_is_the_one_that_is_shown(name: str, config: object) -> None:
    assert dump(name) == pack_mos1(config)  # type: ignore[arg-type]
    assert parse_mos1(dump(name)) == config


def test_the_first_config_is_the_one_that_is_shown() -> None:
    config = initial_config(b"demo.bin.0", 0x2000_0000, b"spiffs.img.0")
    assert dump("cc3200-initial") == pack_cc3200(config)[:128]


@pytest.mark.parametrize(("heading", "size"), [("MOS1 record", RECORD_SIZE + 41), ("CC3200 config", 68 + 50 - 2)])
def test_the_tables_leave_no_byte_out(heading: str, size: int) -> None:
    text = re.search(rf"^### {heading}\n(.*?)(?=^### )", section(TITLE), re.M | re.S)
    assert text is not None
    rows = [(int(at), int(length)) for at, length in re.findall(r"^\| (\d+) \| (\d+) \|", text[1], re.M)]
    end = 0
    for at, length in rows:
        if at == 0:
            end = 0
        assert at in (end, end + 2), "two bytes of padding follow a name of 50"
        end = at + length
    assert sum(length for _, length in rows) == size


def test_every_design_is_named() -> None:
    told = section(TITLE)
    for name in DESIGNS:
        assert f"`{name}`" in told
