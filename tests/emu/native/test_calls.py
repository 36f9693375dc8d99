"""What a firmware in C asks is what one in Python asks: the same journal, entry for entry."""

from __future__ import annotations

import re
from pathlib import Path

from emu.board import TimerEntry
from emu.native import HEADER, CFirmware
from emu.native.calls import CALLS, CAUSES, IMAGES
from emu.native.zygote import ABI, ATTEMPT, ENTRY, RECEIVES, SENDS
from emu.plain_rig import PlainRig
from emu.reset import Reset
from emu.scenario import Firmware, Scenario, Window
from flash.journal import Interruption
from tests.emu.native.build import compiled
from tests.flash.small_parts import SERIAL

OLD, NEW = bytes(range(1, 41)), bytes(range(60, 100))
WORD = r"BROWNOUT_(\w+)"


def everything_in_python(reset: Reset) -> str | None:
    """The twin of everything.c."""
    b, c = reset.flash["b"], reset.flash["c"]
    reset.note(f"cause {CAUSES.index(reset.cause)}, boot {reset.recall('boots')}")
    reset.retain("boots", reset.recall("boots") + 1)
    shape = b.geometry
    reset.note(
        f"{b.size} bytes, sectors of {shape.sector_at(8).size}, pages of {shape.page_size}, units of {shape.unit}, "
        f"erased {shape.erased:02X}; timer {reset.commit_timeout_s} s"
    )
    c.erase(0, 64)
    c.program(0, b"\x01\x02\x03\x04")
    read = c.read(1, 4)
    reset.offer("bytes", read)
    reset.tell("bytes", read)
    reset.offer("number", -7)
    reset.tell("number", -7)
    reset.wait(1000)
    now = reset.clock.now_us
    reset.note(f"at {now} us; the image in b is {IMAGES.index(reset.handover('b', trial=True))}")
    reset.timer.arm(reset.commit_timeout_s)
    with reset.committing():
        c.program(8, c.read(0, 1))
    reset.timer.stop()
    reset.timer.arm(5)
    reset.timer.keep_fed()
    assert reset.attempt() is None
    reset.note(f"the image in a is {IMAGES.index(reset.handover('a'))}")
    if reset.attempt() is None:
        return "no update is left"
    reset.note("it comes")
    reset.staged()
    return reset.restart()


def rig(firmware: Firmware) -> PlainRig:
    return PlainRig(
        Scenario(
            firmware,
            SERIAL,
            windows={"a": Window(0, 64), "b": Window(64, 64), "c": Window(128, 64)},
            images={"old": OLD, "new": NEW},
            factory={"a": OLD, "b": NEW},
            commits=True,
            timers=TimerEntry(commit_timeout_s=30),
        )
    )


def test_both_languages_leave_the_same_journal_whenever_they_are_cut(everything: Path) -> None:
    in_c, in_python = rig(CFirmware(everything)), rig(everything_in_python)
    whole = in_python.run(in_python.initial(1))
    assert whole.outcome.cause == "software" and len(whole.entries) > 20
    for point in (None, *range(len(whole.entries) + 1)):
        for cause in ("power", "pin"):
            strike = None if point is None else Interruption(point, cause)  # type: ignore[arg-type]
            ours, theirs = (made.run(made.initial(1), strike) for made in (in_c, in_python))
            assert (ours.entries, ours.outcome, ours.end_us) == (theirs.entries, theirs.outcome, theirs.end_us)
            assert ours.end.key == theirs.end.key
            assert ours.trace is not None and theirs.trace is not None
            assert ours.trace.consulted_units == theirs.trace.consulted_units


def test_the_session_after_knows_what_a_warm_reset_keeps(everything: Path) -> None:
    in_c, in_python = rig(CFirmware(everything)), rig(everything_in_python)
    for made in (in_c, in_python):
        after = made.run(made.run(made.initial(1)).end)
        assert str(after.outcome) == "bricked: no update is left"
        assert after.entries[0].facts == ("cause 1, boot 1",)  # type: ignore[union-attr]


def test_the_header_and_the_bench_have_the_same_numbers() -> None:
    text = HEADER.read_text(encoding="utf-8")
    bits = {name: int(value, 16) for name, value in re.findall(rf"#define {WORD} (0x\w+)u", text)}
    assert bits == {"SENDS": SENDS, "RECEIVES": RECEIVES}
    calls = re.findall(rf"^    {WORD} = (\d+)(?: \| {WORD})?,?$", text, re.M)
    numbers = {int(value) | bits.get(more, 0): name.removeprefix("CALL_").lower() for name, value, more in calls}
    assert numbers == {number: name for number, (name, _) in CALLS.items()}
    assert CALLS[ATTEMPT][0] == "attempt"
    assert f"#define BROWNOUT_ABI {ABI}\n" in text and f"const char *{ENTRY}(void);" in text


def test_the_header_and_the_bench_have_the_same_causes_and_images() -> None:
    text = HEADER.read_text(encoding="utf-8")
    causes, images = (re.search(rf"enum brownout_{name} \{{(.*?)\}}", text, re.S) for name in ("reset_cause", "image"))
    assert causes is not None and images is not None
    assert [word.lower().replace("_", "-") for word in re.findall(WORD, causes[1])] == list(CAUSES)
    assert [word.lower() for word in re.findall(WORD, images[1])] == [*IMAGES, "other"]


TWO_FILES = """
#include <brownout.h>
#ifdef SECOND
void note(void);
void note(void) { brownout_note("from the second file"); }
#else
void note(void);
const char *brownout_firmware(void) { note(); brownout_note("from the first"); return NULL; }
#endif
"""


def test_the_header_may_be_in_many_sources_and_symbols_may_be_hidden(tmp_path: Path) -> None:
    second = tmp_path / "second.c"
    second.write_text("#define SECOND\n" + TWO_FILES, encoding="utf-8")
    built = compiled(tmp_path / "two.so", TWO_FILES, "-O2", "-fvisibility=hidden", str(second))
    run = (made := PlainRig(Scenario(CFirmware(built), SERIAL))).run(made.initial(1))
    assert [entry.facts for entry in run.entries] == [("from the second file",), ("from the first",)]  # type: ignore[union-attr]


LONG = """
#include <brownout.h>
const char *brownout_firmware(void)
{
    static uint8_t large[300000];
    size_t length, at;
    const uint8_t *update = brownout_attempt(&length);
    for (at = 0; update && at < length && update[at] == at % 251; at++) ;
    if (length != sizeof large || at != length)
        return "the update came out wrong";
    brownout_read("flash", 0, large, sizeof large);
    for (at = 0; at < length && large[at] == at % 241; at++) ;
    return at == length && update[1] == 1 ? NULL : "what was read came out wrong";
}
"""


def test_one_call_carries_hundreds_of_kilobytes(tmp_path: Path) -> None:
    content, work = (bytes(n % prime for n in range(300_000)) for prime in (241, 251))
    firmware = CFirmware(compiled(tmp_path / "long.so", LONG))
    made = PlainRig(Scenario(firmware, "w25q128jv", factory={"flash": content}, work=work))
    assert str(made.run(made.initial(1)).outcome) == "settled"
