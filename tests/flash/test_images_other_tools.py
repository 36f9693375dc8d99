"""Images that other tools write load as they should, and other tools read the images written here.

GNU objcopy is needed (Debian: binutils), and the scripts that intelhex installs. Without them these tests fail.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flash.images import Image, Segment, image_from_segments, load_image, save_image

DEMO = Path(__file__).resolve().parents[2] / "emu" / "demo"
PAIR = ("demo-1.elf", "demo-2.elf")
SPARSE = (Segment(0x1_0000, b"\x01low part"), Segment(0x1_FFFC, bytes(range(200))), Segment(0x10_0000, b"high"))


def objcopy(*arguments: str | Path) -> None:
    tool = shutil.which("objcopy")
    assert tool is not None, "objcopy is missing: apt-get install binutils"
    subprocess.run([tool, *arguments], check=True, capture_output=True)


def intelhex_script(name: str, *arguments: str | Path) -> None:
    script = Path(sys.executable).with_name(name)
    assert script.is_file(), f"{script} is missing: pip install intelhex"
    subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True)


def content_of(image: Image) -> tuple[tuple[Segment, ...], int | None]:
    return image.segments, image.entry


# -- objcopy ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIR)
@pytest.mark.parametrize(("target", "suffix"), [("ihex", ".hex"), ("srec", ".srec"), ("srec", ".bin")])
def test_what_objcopy_makes_of_an_elf_is_what_the_elf_loads(
    tmp_path: Path, name: str, target: str, suffix: str
) -> None:
    path = tmp_path / f"fw{suffix}"
    objcopy("-O", target, DEMO / name, path)
    assert content_of(load_image(path)) == content_of(load_image(DEMO / name))


@pytest.mark.parametrize("options", [("--srec-forceS3",), ("--srec-len=8",), ("--srec-len=250",)])
def test_s_records_of_any_shape_from_objcopy_load(tmp_path: Path, options: tuple[str, ...]) -> None:
    objcopy("-O", "srec", *options, DEMO / PAIR[0], tmp_path / "fw.srec")
    assert content_of(load_image(tmp_path / "fw.srec")) == content_of(load_image(DEMO / PAIR[0]))


@pytest.mark.parametrize("name", PAIR)
def test_the_binary_of_objcopy_is_the_flat_image(tmp_path: Path, name: str) -> None:
    elf = load_image(DEMO / name)
    objcopy("-I", "elf32-little", "-O", "binary", "--gap-fill=0xff", DEMO / name, tmp_path / "fw.bin")
    assert (tmp_path / "fw.bin").read_bytes() == elf.flatten()
    assert load_image(tmp_path / "fw.bin", base_address=elf.span().start).segments == elf.segments


@pytest.mark.parametrize(("target", "suffix"), [("ihex", ".hex"), ("srec", ".s37"), ("srec", ".srec")])
def test_objcopy_reads_what_is_written_here(tmp_path: Path, target: str, suffix: str) -> None:
    image = image_from_segments("x", SPARSE, 0x1_0001)
    save_image(image, tmp_path / f"fw{suffix}")
    objcopy("-I", target, "-O", "binary", "--gap-fill=0xff", tmp_path / f"fw{suffix}", tmp_path / "fw.bin")
    assert (tmp_path / "fw.bin").read_bytes() == image.flatten()
    for again, name in (("srec", "again.srec"), ("ihex", "again.hex")):
        objcopy("-I", target, "-O", again, tmp_path / f"fw{suffix}", tmp_path / name)
        assert content_of(load_image(tmp_path / name)) == (SPARSE, 0x1_0001)


# -- the scripts of intelhex -----------------------------------------------------------------------------


def test_bin2hex_and_hex2bin(tmp_path: Path) -> None:
    elf = load_image(DEMO / PAIR[0])
    (tmp_path / "raw.bin").write_bytes(elf.flatten())
    intelhex_script("bin2hex.py", f"--offset={elf.span().start:#x}", tmp_path / "raw.bin", tmp_path / "fw.hex")
    assert load_image(tmp_path / "fw.hex").segments == elf.segments
    save_image(image_from_segments("x", SPARSE, 1), tmp_path / "sparse.hex")
    intelhex_script("hex2bin.py", "--pad=FF", tmp_path / "sparse.hex", tmp_path / "sparse.bin")
    assert (tmp_path / "sparse.bin").read_bytes() == image_from_segments("x", SPARSE).flatten()


def test_hexmerge(tmp_path: Path) -> None:
    for number, segment in enumerate(SPARSE):
        save_image(Image("x", (segment,), 0x1_0001 if number == 1 else None), tmp_path / f"{number}.hex")
    parts = [tmp_path / f"{number}.hex" for number in (2, 0, 1)]
    intelhex_script("hexmerge.py", "-o", tmp_path / "merged.hex", *parts)
    assert content_of(load_image(tmp_path / "merged.hex")) == (SPARSE, 0x1_0001)


# -- every format to every other -------------------------------------------------------------------------


def test_an_elf_goes_through_all_formats_and_stays_what_it_is(tmp_path: Path) -> None:
    elf = load_image(DEMO / PAIR[0])
    pages = len(elf.flatten()) // 256 + 1
    path, image = tmp_path / "0.elf", elf
    for number, suffix in enumerate((".hex", ".srec", ".dfu", ".s37", ".bin", ".ihex", ".mot", ".uf2", ".bin")):
        path = tmp_path / f"{number}{suffix}"
        save_image(image, path)
        image = load_image(path, base_address=elf.span().start)
    assert path.read_bytes() == elf.flatten().ljust(pages * 256, b"\xff")
