"""Part files: a user's own is loaded, a wrong one is refused with its name and the reason."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from flash.errors import PartError
from flash.part import load_part

USER_PART = """
name = "Mine"
vendor = "Nobody"
kind = "spi-nor"
size = 131072
source = "made up for this test"
sectors = [{ count = 32, size = 4096 }]
read = { bytes_per_us = 1.0, source = "bench" }
endurance = { cycles = 1000, source = "bench" }
[program]
unit = 4
page_size = 256
time_us = { typ = 700, max = 3000, source = "bench" }
[[erase]]
size = 4096
time_us = { typ = 45000, max = 400000, source = "bench" }
"""

ERASE_2K = "[[erase]]\nsize = 2048\ntime_us = { typ = 1, max = 1, source = 'bench' }"


def user_file(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in USER_PART
    path = tmp_path / "mine.toml"
    path.write_text(USER_PART.replace(old, new, 1) if old else USER_PART, encoding="utf-8")
    return path


def test_a_users_own_file_loads(tmp_path: Path) -> None:
    part = load_part(user_file(tmp_path))
    assert (part.name, part.size, part.erased, part.base) == ("Mine", 131072, 0xFF, 0)
    assert part.geometry.sector_count == 32


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("page_size = 256", "page_sice = 256", r"unknown field `page_sice`.*did you mean `page_size`"),
        ("vendor =", "vendr =", r"unknown field `vendr`.*did you mean `vendor`"),
        ('"spi-nor"', '"spi-nand"', r"spi-nand"),
        ("[[erase]]\nsize = 4096", "[[erase]]\nsize = 65536", r"sectors of 4096 bytes have no \[\[erase\]\] entry"),
        ("[[erase]]", f"{ERASE_2K}\n[[erase]]", r"2048 bytes is no sector size"),
        ("typ = 700", "typ = 3001", r"program\.time_us: max 3000\.0 is below typ 3001\.0"),
        ("typ = 45000", "typ = 450000", r"erase 4096: time_us: max .* is below typ"),
        ("max = 3000,", 'max = 3000, unknown = ["max"],', r"program\.time_us: max unknown.*stand_in"),
        ('max = 3000, source = "bench"', 'max = 3000, source = ""', r"program\.time_us: every figure needs its source"),
        ("unit = 4", "unit = 3", r"program\.unit 3 does not divide"),
        ("page_size = 256", "", r"page_size, or burst_size"),
        ("page_size = 256", "page_size = 8192", r"must divide the 4096-byte sector"),
        ("count = 32", "count = 31", r"sector runs cover 0x1f000 bytes, but the size is 0x20000"),
        ('kind = "spi-nor"', 'kind = "mcu-ecc"', r"max_per_erase must be 1"),
        ("cycles = 1000", "cycles = 0", r"endurance\.cycles"),
        ('cycles = 1000, source = "bench"', 'cycles = 1000, source = ""', r"endurance: source is empty"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = user_file(tmp_path, old, new)
    with pytest.raises(PartError, match=message) as refused:
        load_part(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("table", ["suspend", "power_up", "power_down", "soft_reset", "security"])
def test_a_table_of_a_command_set_needs_its_source(tmp_path: Path, table: str) -> None:
    path = tmp_path / "mine.toml"
    bundled = resources.files("flash").joinpath("parts", "W25Q128JV.toml").read_text(encoding="utf-8")
    head, _, rest = bundled.partition(f"[serial.{table}]")
    path.write_text(
        head + f"[serial.{table}]" + re.sub(r'source = ".*"', 'source = ""', rest, count=1), encoding="utf-8"
    )
    with pytest.raises(PartError, match=rf"serial\.{table}: source is empty"):
        load_part(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'"\xe9"', "not a UTF-8 text file"), (b"this is prose", "not valid TOML"), (None, "cannot be read: No such")],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PartError, match=rf"mine\.toml: {message}"):
        load_part(path)
