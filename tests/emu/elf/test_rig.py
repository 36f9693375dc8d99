"""A campaign on an ELF: the test firmware's right builds hold, each mistake is found by its check, and what a session
is said to depend on is all it depends on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.closure import Closure
from emu.campaign.edges import EdgeWalker
from emu.campaign.fresh import repeat_in_fresh_interpreter
from emu.campaign.live_cuts import check_live_cuts
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Verdict
from emu.cli.stories import Teller
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from emu.errors import ScenarioError
from emu.events import COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER, NOTE
from emu.rig import DeviceState, Run
from emu.rig_spec import rig_spec
from flash.images import load_image
from flash.journal import Event, Interruption, Misuse, Operation
from flash.tears import TEAR_SETS
from tests.emu.cpu.chips import PROGRAMS
from tests.emu.cpu.test_firmware import Mistake, mistakes
from tests.emu.elf.boards import FOUND_BY, board


def make(folder: Path, chip: str, loader: str, staged: str, more: str = "") -> ElfRig:
    return ElfRig(load_elf_board(board(folder, chip, loader, staged, more=more)))


def explored(rig: ElfRig, tears: str = "none", **more: object) -> Verdict:
    options = Options(tears=TEAR_SETS[tears], depth=ANY, keeps_new=rig.keeps_new, **more)  # type: ignore[arg-type]
    return Closure(rig, rig.bounds, options).explore()


def uncut(rig: ElfRig) -> list[tuple[DeviceState, Run]]:
    state, found = rig.initial(1), []
    while True:
        run = rig.run(state)
        found.append((state, run))
        if run.outcome.kind != "reset":
            return found
        state = run.end


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> ElfRig:
    """The right copying bootloader of the STM32F1."""
    return make(tmp_path_factory.mktemp("copying"), "stm32f1", "copy-right", "new")


# -- sessions -----------------------------------------------------------------------------------------------


def test_the_uncut_update_ends_with_the_new_image(copying: ElfRig) -> None:
    (_, first), (warm, second) = uncut(copying)
    assert (str(first.outcome), str(second.outcome)) == ("reset by software", "new image runs, committed")
    assert [e.facts for e in first.entries if isinstance(e, Event)] == [(0, "old", False, "a")]
    assert [e.facts for e in second.entries if isinstance(e, Event)] == [(0, "new", False, "a")]
    assert sum(isinstance(entry, Operation) for entry in second.entries) == 244
    assert warm.cause == "software"
    assert any(name.startswith("RAM ") for name, _ in warm.ram), "a warm reset keeps RAM"
    assert second.end.ram == (), "and power takes it"


@pytest.mark.parametrize("entry", [0, 1, 3, 100, 237, 244, 245])
def test_a_live_cut_leaves_what_replaying_the_prefix_leaves(copying: ElfRig, entry: int) -> None:
    state, run = uncut(copying)[1]
    walker = EdgeWalker(copying, TEAR_SETS["none"], ())
    made = walker.find(state, run, entry, "cut")
    assert made is not None
    cut = copying.run(state, Interruption(entry))
    assert cut.outcome.kind == "cut"
    assert len(cut.entries) == entry
    assert made.state.key == cut.end.key


@pytest.mark.parametrize("entry", [0, 236, 243])
def test_a_live_tear_leaves_what_the_tables_say(copying: ElfRig, entry: int) -> None:
    state, run = uncut(copying)[1]
    walker = EdgeWalker(copying, TEAR_SETS["T1"], ())
    torn = [child for child in walker.children(state, run, entry) if child.edge.entry == entry and child.edge.is_torn]
    assert torn
    for child in torn:
        assert copying.run(state, child.edge.interruption()).end.key == child.state.key, child.edge


def test_a_session_is_the_same_in_a_fresh_interpreter(copying: ElfRig) -> None:
    """Also one that a warm reset begins: RAM and what else it leaves alone are in its state."""
    states = [state for state, _ in uncut(copying)]
    assert repeat_in_fresh_interpreter(rig_spec(copying), states) == []


def test_a_session_depends_on_nothing_outside_its_footprint(copying: ElfRig) -> None:
    """Units that it has not consulted may hold anything."""
    chip, grid = copying.chip_names[0], copying.grids[copying.chip_names[0]]
    for state, run in uncut(copying):
        assert run.trace is not None
        consulted = {unit for name, unit in run.trace.consulted_units if name == chip}
        every = {unit for block in range(grid.block_count) for unit in grid.units_of(block)}
        cells = copying.bench_cells()[0]
        cells.restore(state.memory[0])
        for unit in sorted(every - consulted):
            at, size = grid.extent(unit)
            cells.data[at : at + size] ^= 0x5A
        scrambled = DeviceState((cells.snapshot(), *state.memory[1:]), state.cause, state.attempts_left, state.ram)
        again = copying.run(scrambled)
        assert [repr(e) for e in again.entries] == [repr(e) for e in run.entries]
        assert (again.outcome, again.end_us) == (run.outcome, run.end_us)


def test_what_is_looked_at_is_in_the_footprint(copying: ElfRig) -> None:
    """The old image in slot A decides the first boot; the second erases it before it looks at its second page."""
    chip, grid = copying.chip_names[0], copying.grids[copying.chip_names[0]]
    (_, first), (_, second) = uncut(copying)
    assert first.trace is not None
    assert second.trace is not None
    seen = [{unit for name, unit in each.consulted_units if name == chip} for each in (first.trace, second.trace)]
    for address in (0x0, 0x3FF, 0x1000, 0x2000, 0x2400, 0x3000):
        assert set(grid.units_in(address, 1)) <= seen[0], f"{address:#x}"
    assert set(grid.units_in(0x3000, 0x1D8)) <= seen[1], "what is copied"
    assert not set(grid.units_in(0x1800, 0x400)) & (seen[0] | seen[1]), "nobody looks at the scratch page"
    assert any(name != chip for name, _ in first.trace.consulted_units), "option bytes are loaded at every reset"


def test_the_bootloader_counts_as_looked_at_as_a_whole(tmp_path: Path) -> None:
    """It is longer than the block its vectors are in."""
    rig = make(tmp_path, "stm32f1", "ab-right", "new")
    run = rig.run(rig.initial(1))
    assert run.trace is not None
    assert {(rig.chip_names[0], 0), (rig.chip_names[0], 1)} <= set(run.trace.consulted_units)


def test_sessions_in_any_order_are_the_same(tmp_path: Path) -> None:
    """Slot A holds the old image, one that hangs, and the old one again: no translated code outlives its bytes."""
    rig = make(tmp_path, "stm32f1", "swap-right", "sick")
    first = uncut(rig)
    assert len(first) > 2
    for state, run in [*reversed(first), *first, first[0], first[-1]]:
        again = rig.run(state)
        assert (again.outcome, again.end_us, again.end.key) == (run.outcome, run.end_us, run.end.key)
        assert [repr(e) for e in again.entries] == [repr(e) for e in run.entries]


CALLS = bytes.fromhex("00500020 09000008 024c 034d a047 a847 a047 fee7 01200008 01300008")
"""Vectors, and code that calls slot A, slot B and slot A again, and stops."""
RETURNS = bytes.fromhex("7047")


def test_every_change_of_slot_is_a_hand_over(tmp_path: Path) -> None:
    (tmp_path / "calls.bin").write_bytes(CALLS)
    (tmp_path / "a.bin").write_bytes(RETURNS + b"A!")
    (tmp_path / "b.bin").write_bytes(RETURNS + b"B!")
    slots = "".join(f'[[slot]]\nname = "{n}"\naddress = {at:#x}\nsize = 0x400\n' for n, at in SLOTS)
    (tmp_path / "board.toml").write_text(
        'chip = "STM32F103xB"\n[[file]]\npath = "calls.bin"\naddress = 0x8000000\n'
        '[[file]]\npath = "a.bin"\naddress = 0x8002000\n'
        '[[image]]\nname = "old"\npath = "a.bin"\n[[image]]\nname = "new"\npath = "b.bin"\n'
        f'[[staged]]\npath = "b.bin"\naddress = 0x8003000\n{slots}'
    )
    rig = ElfRig(load_elf_board(tmp_path / "board.toml"))
    run = rig.run(rig.initial(1))
    assert [entry.facts for entry in run.entries if isinstance(entry, Event)] == [
        (0, "old", False, "a"), (1, "new", False, "b"), (0, "old", False, "a"),
    ]  # fmt: skip
    assert str(run.outcome) == "old image runs, committed"


SLOTS = (("a", 0x0800_2000), ("b", 0x0800_3000))


def test_without_machine_code_everything_is_the_same(
    copying: ElfRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emu.elf.rig.Machine", slow_machine)
    slow = make(tmp_path, "stm32f1", "copy-right", "new")
    for (_, one), (_, other) in zip(uncut(copying), uncut(slow), strict=True):
        assert [repr(e) for e in one.entries] == [repr(e) for e in other.entries]
        assert one.trace is not None
        assert other.trace is not None
        assert list(one.trace.consulted_units) == list(other.trace.consulted_units), "in this order"


def slow_machine(chip: object, make_it: object, *, seed: int, memories: object = ()) -> Machine:
    return Machine(chip, make_controller, seed=seed, native=False, memories=memories)  # type: ignore[arg-type]


def test_ram_at_power_on_is_drawn_from_the_seed(copying: ElfRig, tmp_path: Path) -> None:
    other = ElfRig(load_elf_board(board(tmp_path, "stm32f1", "copy-right", "new")), seed=7)
    copying.run(copying.initial(1))
    other.run(other.initial(1))
    contents = [bytes(rig.machine.rams[0][2]) for rig in (copying, other)]
    assert contents[0] != contents[1]
    assert other.inputs["workload"].digest != copying.inputs["workload"].digest


def test_a_commit_is_seen_and_not_before_it_begins(tmp_path: Path) -> None:
    *_, (_, run) = uncut(make(tmp_path, "stm32f1", "ab-right", "new"))
    names = [entry.name if isinstance(entry, Event) else "write" for entry in run.entries]
    assert names[names.index(COMMIT_BEGUN) - 1] in (HANDOVER, "write")
    assert names.index(HANDOVER) < names.index(COMMIT_BEGUN) < names.index("write", names.index(HANDOVER))
    assert names[-1] == COMMIT_RETURNED


def test_what_a_controller_refuses_is_an_entry(tmp_path: Path) -> None:
    rig = make(tmp_path, "stm32f1", "copy-bug4", "new")
    refused = [entry for _, run in uncut_until_loop(rig) for entry in run.entries if isinstance(entry, Misuse)]
    assert refused
    assert "the half-word is not erased (PGERR)" in refused[0].message


def uncut_until_loop(rig: ElfRig) -> Iterator[tuple[DeviceState, Run]]:
    state = rig.initial(1)
    for _ in range(4):
        run = rig.run(state)
        yield state, run
        if run.outcome.kind != "reset":
            return
        state = run.end


def test_an_elf_has_no_weak_cells(copying: ElfRig) -> None:
    with pytest.raises(ScenarioError, match="tears T3 and T4 are not for an ELF: use T2 at most"):
        explored(copying, "T3")


def test_a_store_has_its_function_and_line(copying: ElfRig) -> None:
    state, _ = uncut(copying)[1]
    for entry, function in ((0, "flash_erase"), (1, "flash_program")):
        counter = copying.store_at(state, entry)
        assert counter is not None
        place = copying.place_of(counter)
        assert place.function == function
        assert place.file == "port_stm32f1.c"
        assert place.line
    assert copying.store_at(state, 10_000) is None


class _OtherWhenCut(ElfRig):
    """Leaves something else when it is cut live."""

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        run = super().run(state, interruption)
        return run if interruption is None else replace(run, end=state)


def test_live_cuts_are_held_against_the_journal(copying: ElfRig, tmp_path: Path) -> None:
    assert check_live_cuts(copying, TEAR_SETS["T1"], 1, 8) > 12
    other = _OtherWhenCut(load_elf_board(board(tmp_path, "stm32f1", "copy-right", "new")))
    with pytest.raises(ScenarioError, match="differs from replaying the prefix"):
        check_live_cuts(other, TEAR_SETS["T1"], 1, 8)


# -- campaigns ----------------------------------------------------------------------------------------------


def test_the_right_copying_bootloader_holds_at_depth_1(copying: ElfRig) -> None:
    from emu.campaign.explore import Explorer

    options = Options(tears=TEAR_SETS["none"], depth=1, keeps_new=copying.keeps_new)
    verdict = Explorer(copying, copying.bounds, options).explore()
    assert verdict.word == "held"
    assert sum(verdict.coverage.edge_kinds.values()) == 253


@pytest.mark.parametrize("staged", ["new", "sick"])
def test_the_right_ab_bootloader_holds_at_any_depth(tmp_path: Path, staged: str) -> None:
    verdict = explored(make(tmp_path, "stm32f1", "ab-right", staged))
    assert (verdict.word, verdict.complete) == ("held", True)
    assert verdict.coverage.states > 70


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["stm32f1", "stm32l4"])
def test_the_right_copying_bootloader_holds_at_any_depth(tmp_path: Path, chip: str) -> None:
    verdict = explored(make(tmp_path, chip, "copy-right", "new"))
    assert (verdict.word, verdict.complete) == ("held", True)


def test_settling_with_an_image_the_board_does_not_accept_is_found(tmp_path: Path) -> None:
    path = board(tmp_path, "stm32f1", "ab-right", "new")
    path.write_text(path.read_text().replace("accept = ['old', 'new']", "accept = ['new']"))
    verdict = explored(ElfRig(load_elf_board(path)))
    assert {finding.key.check for finding in verdict.findings} == {"accepts"}
    assert verdict.findings[0].message == "the device settles with the old image"


def declared() -> list[object]:
    """Mistakes that take seconds to find are looked for with -m slow."""
    long = {("swap", str(number)) for number in range(1, 8)} | {
        ("copy", "3"),
        ("copy", "5"),
        ("copy", "7"),
        ("ab", "4"),
    }
    return [
        pytest.param(m, id=f"{m.design}{m.number}", marks=(pytest.mark.slow,) if (m.design, m.number) in long else ())
        for m in mistakes()
    ]


@pytest.mark.parametrize("mistake", declared())
def test_a_mistake_is_found_by_its_declared_check(tmp_path: Path, mistake: Mistake) -> None:
    rig = make(tmp_path, "stm32f1", f"{mistake.design}-bug{mistake.number}", mistake.staged)
    verdict = explored(rig)
    wanted = FOUND_BY.get(mistake.found_as, mistake.found_as)
    fewest = {len(f.path) for f in verdict.findings if f.key.check == wanted}
    assert fewest, {f.key.check for f in verdict.findings}
    assert min(fewest) == mistake.cuts
    if wanted == "accepts":
        assert f"the {mistake.found_as} image runs" in {finding.message for finding in verdict.findings}


@pytest.mark.parametrize(
    ("chip", "found"),
    [
        ("stm32f4", ("ab1", "ab2", "ab7", "copy1", "copy2", "copy6", "swap5")),
        ("stm32h5", ("ab1", "ab7", "copy1", "copy2", "copy6", "swap5")),
    ],
)
def test_mistakes_of_every_bootloader_are_found_on_large_sectors_and_on_quad_words(
    tmp_path: Path, chip: str, found: tuple[str, ...]
) -> None:
    for mistake in mistakes():
        if mistake.design + mistake.number in found:
            rig = make(tmp_path, chip, f"{mistake.design}-bug{mistake.number}", mistake.staged)
            fewest = {len(f.path) for f in explored(rig).findings if f.key.check == mistake.found_as}
            assert min(fewest) == mistake.cuts, mistake


@pytest.mark.parametrize("chip", ["stm32f4", "stm32h5", "stm32g0", "stm32l0"])
@pytest.mark.parametrize("staged", ["new", "sick"])
def test_the_right_ab_bootloader_holds_on_other_chips(tmp_path: Path, chip: str, staged: str) -> None:
    verdict = explored(make(tmp_path, chip, "ab-right", staged))
    assert (verdict.word, verdict.complete) == ("held", True)
    assert verdict.coverage.states > 15


def test_the_right_copying_bootloader_holds_on_a_cortex_m33(tmp_path: Path) -> None:
    """Across both banks, at any depth; and a live cut leaves what replaying leaves, quad word by quad word."""
    rig = make(tmp_path, "stm32h5", "copy-right", "new")
    verdict = explored(rig)
    assert (verdict.word, verdict.complete) == ("held", True)
    assert check_live_cuts(rig, TEAR_SETS["T1"], 1, 6) > 8


def test_right_bytes_over_broken_cells_are_told_apart(tmp_path: Path) -> None:
    rig = make(tmp_path, "stm32l4", "copy-bug8", "new")
    verdict = explored(rig, "T1-coarse")
    finding = next(finding for finding in verdict.findings if finding.key.check == FOUND_BY["broken-ecc"])
    story = Teller(rig, ("whole",), verdict, 0).story(finding)
    notes = [e.facts[0] for each in story.sessions for e in each.run.entries if isinstance(e, Event) and e.name == NOTE]
    assert "the bytes are those of the new image; error correction gives up under them" in notes


# -- what a device says -------------------------------------------------------------------------------------


def line_by_dma(folder: Path, alive: str, commit: str) -> ElfRig:
    """A bootloader of two words, which are the vectors of an image that sends "works!" and a line feed at once."""
    image = load_image(PROGRAMS / "dma.elf").flatten(fill=0xFF)
    (folder / "image.bin").write_bytes(image)
    start = int.from_bytes(image[4:8], "little") & 0xFFFF
    (folder / "loader.bin").write_bytes(struct.pack("<II", 0x2000_1000, 0x1000 + start))
    (folder / "board.toml").write_text(
        f"""
        chip = "nRF52840"
        accept = ["new"]
        file = [{{ path = "loader.bin", address = 0 }}, {{ path = "image.bin", address = 0x1000 }}]
        slot = [{{ name = "a", address = 0x1000, size = 0x1000 }}]
        image = [{{ name = "new", path = "image.bin" }}, {{ name = "old", path = "loader.bin" }}]
        staged = [{{ path = "image.bin", address = 0x2000 }}]
        alive = {{ uart = "{alive}", stays_s = 0.01 }}
        commit = {{ uart = "{commit}" }}
        """
    )
    return ElfRig(load_elf_board(folder / "board.toml"))


@pytest.mark.parametrize(("alive", "commit"), [("works!", "ork"), ("!", "w"), ("s!", "works!")])
def test_what_an_image_says_may_stand_anywhere_in_what_dma_sends_at_once(
    tmp_path: Path, alive: str, commit: str
) -> None:
    rig = line_by_dma(tmp_path, alive, commit)
    run = rig.run(rig.initial(1))
    assert str(run.outcome) == "new image runs, committed"
    assert [e.name for e in run.entries if isinstance(e, Event)] == [HANDOVER, COMMIT_BEGUN, COMMIT_RETURNED]
    assert [data for _, _, data in rig.machine.sent] == [b"works!\n"]


def test_what_an_image_never_says_is_not_found_across_its_lines(tmp_path: Path) -> None:
    rig = line_by_dma(tmp_path, "works !", "works!")
    run = rig.run(rig.initial(1))
    assert "it last said 'works!'; it never said 'works !', which alive.uart waits for" in str(run.outcome)


def test_a_session_that_is_refused_too_much_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = ElfRig(load_elf_board(board(tmp_path, "stm32f1", "ab-bug6", "new")))
    state, kinds = rig.initial(1), []
    while not kinds or kinds[-1] == "reset":
        run = rig.run(state)
        kinds.append(run.outcome.kind)
        state = run.end
    monkeypatch.setattr("emu.elf.life.MOST_REFUSALS", 1)
    given_up, state = [], rig.initial(1)
    for _ in kinds:
        run = rig.run(state)
        given_up.append("goes on though 1 operations were refused" in run.outcome.detail)
        state = run.end
        if given_up[-1]:
            break
    assert given_up[-1]
    assert run.outcome.kind in ("halted", "hung")
