"""Which library it is, and libraries that cannot be used: one clear line each."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from emu.campaign.token import token_for
from emu.errors import ScenarioError, TokenError
from emu.native import HEADER, CFirmware
from emu.plain_rig import PlainRig
from emu.scenario import Scenario
from tests.emu.native.build import compiled
from tests.flash.small_parts import SERIAL

EMPTY = "#include <brownout.h>\nconst char *brownout_firmware(void) { return NULL; }\n"


def refused(library: Path) -> str:
    with pytest.raises(ScenarioError) as wrong:
        CFirmware(library)
    assert "\n" not in str(wrong.value)
    assert str(wrong.value).startswith(f"{library}: ")
    return str(wrong.value).removeprefix(f"{library}: ")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("int nothing;", "no source of it includes brownout.h (brownout header prints its folder)"),
        ("#include <brownout.h>\nint nothing;",
         "exports no function brownout_firmware; write const char *brownout_firmware(void)"),
        (EMPTY.replace("return", "int missing(void); missing(); return"), "undefined symbol: missing"),
        (EMPTY + "__attribute__((constructor)) static void leave(void) { __builtin_trap(); }",
         "takes the process along that loads it: SIG"),
        (EMPTY + "#include <stdlib.h>\n__attribute__((constructor)) static void leave(void) { exit(5); }",
         "takes the process along that loads it: exit code 5"),
        (HEADER.read_text(encoding="utf-8").replace("ABI 1", "ABI 7") + EMPTY,
         "was built with brownout.h of version 7, and this is 1: build it again"),
    ],
    ids=["no header", "no entry", "unresolved", "traps", "exits", "another version"],
)  # fmt: skip
def test_a_library_that_cannot_be_used_says_why(tmp_path: Path, source: str, said: str) -> None:
    library = compiled(tmp_path / "wrong.so", source, strict=False)
    assert said in refused(library)


def test_a_file_that_is_no_library_says_what_to_do(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing.so") == "cannot be read: No such file or directory; build it first"
    assert refused(tmp_path).startswith("cannot be read: Is a directory")
    text = tmp_path / "text.so"
    text.write_text("not a library", encoding="utf-8")
    assert refused(text) == "is no shared library (ELF); build one with cc -shared -fPIC"


def test_a_library_for_another_processor_is_named_as_such(tmp_path: Path) -> None:
    library = compiled(tmp_path / "other.so", EMPTY)
    raw = bytearray(library.read_bytes())
    raw[18:20] = (8).to_bytes(2, "little")  # e_machine: MIPS
    library.write_bytes(raw)
    assert refused(library).startswith("is for MIPS (64 bit, little endian), and this computer runs ")


def test_limits_that_leave_no_time_are_refused(misdeeds: Path) -> None:
    for limits in ({"hang_after_s": 0}, {"max_calls": 0}):
        with pytest.raises(ScenarioError, match="leave no time for a session"):
            CFirmware(misdeeds, **limits)  # type: ignore[arg-type]


def rig(firmware: CFirmware) -> PlainRig:
    return PlainRig(Scenario(firmware, SERIAL))


def test_a_rebuilt_library_is_named_as_the_input_that_differs(tmp_path: Path) -> None:
    library = compiled(tmp_path / "loader.so", EMPTY)
    before = rig(CFirmware(library)).inputs
    assert rig(CFirmware(library)).inputs == before
    after = rig(CFirmware(compiled(library, EMPTY.replace("NULL", '"mended"')))).inputs
    assert {role for role in before if before[role] != after[role]} == {"library", "workload"}
    with pytest.raises(TokenError, match=rf"workload \(.*loader\.so#{after['library'].digest}"):
        token_for(1, before, ()).check_inputs(after)


def test_where_a_library_lies_is_no_input(tmp_path: Path) -> None:
    library = compiled(tmp_path / "loader.so", EMPTY)
    (tmp_path / "elsewhere").mkdir()
    copy = Path(shutil.copy(library, tmp_path / "elsewhere"))
    assert rig(CFirmware(library)).inputs == rig(CFirmware(copy)).inputs


def test_what_was_pickled_is_the_same_library_or_says_that_it_has_changed(tmp_path: Path) -> None:
    library = compiled(tmp_path / "loader.so", EMPTY)
    sent = pickle.dumps(CFirmware(library, hang_after_s=7, max_calls=77))
    again = pickle.loads(sent)
    assert (again.library, again.hang_after_s, again.max_calls) == (library, 7, 77)
    made = rig(again)
    assert str(made.run(made.initial(1)).outcome) == "settled"
    compiled(library, EMPTY.replace("NULL", '"other"'))
    with pytest.raises(ScenarioError, match=r"loader\.so: has changed since the campaign began; run it again"):
        pickle.loads(sent)


def test_a_library_rebuilt_while_it_is_used_goes_on_until_it_would_be_loaded_again(tmp_path: Path) -> None:
    firmware = CFirmware(compiled(tmp_path / "loader.so", EMPTY))
    made = rig(firmware)
    compiled(tmp_path / "loader.so", EMPTY.replace("NULL", '"other"'))
    assert str(made.run(made.initial(1)).outcome) == "settled"
    firmware.close()
    with pytest.raises(ScenarioError, match="has changed since the campaign began"):
        made.run(made.initial(1))
