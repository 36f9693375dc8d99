"""Mutants of the any-depth explorer itself: each forgets one thing that makes merging sound, and a guard notices.

A mutant is one place changed. Two guards may kill it: the *audit* (dropped states are run for real), and the
*comparison* with the walk through every single state. Which of them does is part of each row. Unpatched, every firmware
here passes both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

import flash.tears
from emu.campaign import graph
from emu.campaign.audit import Auditor
from emu.campaign.graph import Graph, Link, Node, Stop
from emu.campaign.monitor import Monitor
from emu.campaign.outline import Outline, Surveyor
from emu.campaign.space import Print, Units
from emu.campaign.walk import Walker
from emu.campaign.workload import Workload
from emu.errors import ScenarioError
from emu.known_images import KnownImages
from emu.oracle import Oracle
from emu.plain_rig import PlainRig
from emu.reset import Reset
from emu.scenario import Scenario, Window
from flash.cells import Cells
from flash.journal import Operation
from flash.part import Erase, Program, Runs
from flash.tears import TEAR_SETS, TearSet
from flash.tears.row import TearRow, always
from flash.trace import Trace
from tests.campaigns.exhaustive import exhaustive
from tests.field.bug import sectors
from tests.flash.small_parts import SERIAL, figure
from tests.properties.closures import closure_of, facts_of, facts_of_all
from tests.properties.small_firmwares import BLOCK, BOUNDS, PART, rig_of, small_firmware

COARSE = TEAR_SETS["T1-coarse"]
TIER_3 = TearSet("tier-3", (3,), False, "tier 3 alone")


@dataclass(frozen=True)
class Subject:
    """What a mutant is tried on."""

    make: Callable[[], PlainRig]
    tears: TearSet = COARSE
    options: Mapping[str, Any] = field(default_factory=dict)


def killers(subject: Subject) -> set[str]:
    """The guards that notice something."""
    options = {"tears": subject.tears, **subject.options}
    closure = closure_of(subject.make(), BOUNDS, **options)
    verdict = closure.explore()
    found = set()
    try:
        for seed in range(8):  # which tear of an inherited operation is run, the seed says
            Auditor(closure).audit(1.0, seed)
    except ScenarioError as noticed:  # the firmware is taken for a user's, who is named first
        assert str(noticed).endswith("please report this")
        found.add("audit")
    if facts_of(closure, verdict) != reference(subject, options):
        found.add("comparison")
    return found


def reference(subject: Subject, options: Mapping[str, Any]) -> Any:
    walked = exhaustive(subject.make(), BOUNDS, options["tears"], attempts=options.get("attempts", 1), max_states=3000)
    assert walked.complete
    return facts_of_all(walked)


# -- what they are tried on ------------------------------------------------------------------------------


def drawn(seed: int, **options: Any) -> Subject:
    firmware = small_firmware(seed)
    return Subject(lambda: rig_of(firmware), COARSE, {"attempts": firmware.attempts, **options})


def marks_first(reset: Reset) -> None:
    """Ticks off a value before it is there; nobody but the oracle looks at the value."""
    if reset.flash["mark"].read(0, 1) == b"\xff":
        reset.flash["mark"].program(0, b"\xfe")
        reset.flash["value"].program(0, b"\x5a\xa5")


def _is_there(contents: Any) -> str:
    if contents.read("mark", 0, 1) == b"\xff" or contents.read("value", 0, 2) == b"\x5a\xa5":
        return ""
    return "no value" if contents.read("value", 0, 2) == b"\xff\xff" else "half a value"


def judged_by_an_oracle() -> PlainRig:
    there = Oracle("there", "a value that is ticked off is there", _is_there)
    return PlainRig(Scenario(marks_first, PART, windows=sectors("mark", "value", size=BLOCK), oracles=[there]))


WIDE = msgspec.structs.replace(
    SERIAL, name="WIDE", size=1024, sectors=(Runs(2, 512),), program=Program(1, figure(160), page_size=16),
    erase=(Erase(512, figure(1600)),),
)  # fmt: skip
"""Two sectors, each of two units where it is looked at closely."""


def logs_beside_its_record(reset: Reset) -> str | None:
    """A record in the first unit of a sector, a log that nobody reads in the second."""
    flash = reset.flash["both"]
    if flash.read(0, 256) != b"\xc3" + b"\xff" * 255:
        return "the record was disturbed"
    if reset.flash["done"].read(0, 1) == b"\xff":
        reset.flash["done"].program(0, b"\xfe")  # first: no later boot looks at the log, not even to program it
        flash.program(256, b"\x00\x00")
    return None


def disturbing() -> PlainRig:
    windows = {"both": Window(0, 512), "done": Window(512, 512)}
    return PlainRig(
        Scenario(logs_beside_its_record, WIDE, windows=windows, factory={"both": b"\xc3"}, fine=["both", "done"])
    )


def erases_what_it_asks_for(reset: Reset) -> str | None:
    """Looks at the first half of a sector that it erases; what it wrote into the second half nobody reads."""
    flash, done = reset.flash["both"], reset.flash["done"]
    if flash.read(0, 1) == b"\x77":
        return "what stood in the second half is in the first"
    if done.read(0, 1) == b"\xff":
        done.program(0, b"\xfe")
        flash.program(300, b"\x77")
        flash.erase(0, 512)
        done.program(1, b"\xfe")
    elif done.read(1, 1) == b"\xff":
        flash.erase(0, 512)
        done.program(1, b"\xfe")
    return None


def _apply_echo(cells: Cells, op: Operation, _: int) -> None:
    if op.length == 512:
        cells.put(op.address, 1, cells.read(op.address + 300, 1)[0])


ECHO = TearRow(
    "echo", 1, "erase", frozenset({"spi-nor"}), "a byte lands in another half of the sector", "made up for a test",
    always(1), always(1), _apply_echo,
)  # fmt: skip
"""A tear whose outcome in one unit depends on another. No row of ours is like that where the footprint does not have it
anyway; the explorer must not rely on it."""


def echoing() -> PlainRig:
    windows = {"both": Window(0, 512), "done": Window(512, 512)}
    return PlainRig(Scenario(erases_what_it_asks_for, WIDE, windows=windows, fine=["both", "done"]))


def asks_a_torn_erase(reset: Reset) -> str | None:
    """Only where an erase was torn does it look at what stood in the other half of the sector before."""
    flash, done = reset.flash["both"], reset.flash["done"]
    if flash.read(511, 1) == b"\x00" and flash.read(0, 1) == b"\xfe":
        return "half a value, half erased"
    if done.read(0, 1) == b"\xff":
        done.program(0, b"\xfe")
        flash.program(0, b"\x12")
    if done.read(1, 1) == b"\xff":
        flash.erase(0, 512)
        done.program(1, b"\xfe")
    return None


def torn_between() -> PlainRig:
    windows = {"both": Window(0, 512), "done": Window(512, 512)}
    return PlainRig(Scenario(asks_a_torn_erase, WIDE, windows=windows, fine=["both", "done"]))


def counts_in_ram(reset: Reset) -> str | None:
    """A long life after one reset, and a shorter one that joins it half-way; what is wrong comes at the end of both."""
    flash, count = reset.flash["mark"], reset.recall("count")
    if count == 0:
        if flash.read(0, 1) == b"\xff":
            flash.program(0, b"\xfe")
        else:
            count = 5
    if count == 9:
        return "it has counted to nine"
    reset.retain("count", count + 1)
    return reset.restart()


def counting() -> PlainRig:
    return PlainRig(Scenario(counts_in_ram, PART, windows=sectors("mark", "other", size=BLOCK)))


# -- mutants ---------------------------------------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def oracles_reads_not_recorded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PlainRig, "_trace_what_oracles_read", lambda rig, trace: None)


def ground_truth_not_recorded(patch: pytest.MonkeyPatch) -> None:
    right = KnownImages.standing_in
    patch.setattr(KnownImages, "standing_in", lambda known, window, trace: right(known, window, None))


def _kinds(patch: pytest.MonkeyPatch, dull: Callable[[graph.Kind], graph.Kind]) -> None:
    find, kind = Graph.find, Node.kind.fget  # type: ignore[attr-defined]
    patch.setattr(Graph, "find", lambda self, kind, prints: find(self, dull(kind), prints))
    patch.setattr(Node, "kind", property(lambda node: dull(kind(node))))


def monitors_dropped(patch: pytest.MonkeyPatch) -> None:
    _kinds(patch, lambda kind: (*kind[:3], Monitor(), kind[4]))


def attempts_ignored(patch: pytest.MonkeyPatch) -> None:
    _kinds(patch, lambda kind: (kind[0], 0, *kind[2:]))


def torn_erase_kills(patch: pytest.MonkeyPatch) -> None:
    right = Walker._torn

    def torn(
        self: Walker, stop: Stop, length: int, base: Print, monitor: Monitor, workload: Workload, outline: Outline,
        at: int, killed: Units,
    ) -> None:  # fmt: skip
        right(self, stop, length, base, monitor, workload, outline, at, killed | outline.kills(at, at + 1))

    patch.setattr(Walker, "_torn", torn)


def disturb_ignored(patch: pytest.MonkeyPatch) -> None:
    right = Surveyor._look

    def look(self: Surveyor, operation: Operation) -> tuple[Units, Units, Units]:
        _, inputs, kills = right(self, operation)
        return self._space.touched(operation.device, [(operation.address, operation.length)]), inputs, kills

    patch.setattr(Surveyor, "_look", look)


def inputs_ignored(patch: pytest.MonkeyPatch) -> None:
    right = Surveyor._look

    def look(self: Surveyor, operation: Operation) -> tuple[Units, Units, Units]:
        reach, _, kills = right(self, operation)
        return reach, 0, kills

    patch.setattr(Surveyor, "_look", look)


def nothing_is_walked_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Graph, "_spoil", lambda self, owner: None)


def running_a_node_tells_nobody(patch: pytest.MonkeyPatch) -> None:
    def was_run(self: Graph, node: Node, footprint: Units) -> None:
        node.footprint |= footprint
        self._file(node, node.live | node.footprint)

    patch.setattr(Graph, "was_run", was_run)


def attempts_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Trace, "asked_for_attempts", lambda trace: None)


def programs_consult_nothing(patch: pytest.MonkeyPatch) -> None:
    def changed(self: Trace, device: str, cells: Cells, address: int, length: int) -> None:
        for index in self._units_in(device, cells, address, length):
            self.written.add((device, index))

    patch.setattr(Trace, "changed_in_part", changed)


def edges_do_not_ask(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Link, "needs", property(lambda link: 0))


def given_up_for_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Graph, "sooner", lambda self, node, resets: iter(()))


@dataclass(frozen=True)
class Mutant:
    """``killed_by``: the guards that notice it on ``subject``."""

    patch: Patch
    subject: Subject
    killed_by: frozenset[str]

    @property
    def name(self) -> str:
        return self.patch.__name__


AUDIT, COMPARISON = frozenset({"audit"}), frozenset({"comparison"})
BOTH = AUDIT | COMPARISON

MUTANTS = (
    Mutant(oracles_reads_not_recorded, Subject(judged_by_an_oracle), COMPARISON),
    Mutant(ground_truth_not_recorded, drawn(1), BOTH),
    Mutant(monitors_dropped, drawn(1), AUDIT),
    Mutant(attempts_ignored, drawn(3), BOTH),
    Mutant(attempts_not_asked_for, drawn(1, budget_s=0.5), BOTH),
    Mutant(torn_erase_kills, Subject(torn_between), BOTH),
    Mutant(disturb_ignored, Subject(disturbing, TIER_3), BOTH),
    Mutant(inputs_ignored, Subject(echoing), AUDIT),
    Mutant(nothing_is_walked_again, drawn(72), BOTH),
    Mutant(running_a_node_tells_nobody, drawn(72), BOTH),
    Mutant(programs_consult_nothing, drawn(72), COMPARISON),
    Mutant(edges_do_not_ask, drawn(72), BOTH),
    Mutant(given_up_for_good, Subject(counting), COMPARISON),
)

each = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@pytest.fixture(autouse=True)
def echo_is_a_tear(monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes nothing but sectors of 512 bytes."""
    monkeypatch.setattr(flash.tears, "TEARS", (*flash.tears.TEARS, ECHO))
    monkeypatch.setitem(flash.tears._BY_NAME, ECHO.name, ECHO)


@each
def test_unpatched_nobody_notices_anything(mutant: Mutant) -> None:
    assert killers(mutant.subject) == set()


@each
def test_the_mutant_is_killed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.patch(monkeypatch)
    assert killers(mutant.subject) == mutant.killed_by
