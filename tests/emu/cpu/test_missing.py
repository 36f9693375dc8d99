"""Without unicorn: one line that says what to install, from the one place that imports it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_missing_engine_is_a_missing_extra() -> None:
    code = (
        "import sys; sys.modules['unicorn'] = None\n"
        "from emu.errors import MissingExtra\n"
        "try: import emu.cpu.session\n"
        "except MissingExtra as missing: print(missing, missing.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "an emulated core needs unicorn: pip install 'brownout[cpu]' 4\n"


def test_firmware_files_and_chips_need_no_engine() -> None:
    code = "import sys; sys.modules['unicorn'] = None\nimport emu.cpu.elf, emu.cpu.chip, emu.cpu.contract"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_engine_is_imported_in_one_file() -> None:
    found = {
        path.name
        for path in (ROOT / "emu").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("import unicorn", "from unicorn"))
    }
    assert found == {"library.py"}
