"""Memories beside the chip in a campaign: their operations are cut like the chip's own, at any instruction while they
go on, and what a session has read of them is what it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.edges import EdgeWalker
from emu.campaign.fresh import repeat_in_fresh_interpreter
from emu.campaign.live_cuts import check_live_cuts
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from emu.errors import BoardError
from emu.rig import DeviceState
from emu.rig_spec import rig_spec
from flash.journal import Interruption, Misuse, Operation
from flash.tears import TEAR_SETS
from tests.emu.cpu.elf_bench import FIRMWARE
from tests.emu.elf.beside import beside
from tests.emu.elf.boards import board
from tests.emu.elf.test_rig import explored, uncut


def make(folder: Path, chip: str, loader: str, staged: str = "new") -> ElfRig:
    return ElfRig(load_elf_board(beside(folder, chip, loader, staged)))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> ElfRig:
    """The right bootloader with NOR and EEPROM of the nRF52840, whose DMA makes it the quickest."""
    return make(tmp_path_factory.mktemp("beside"), "nrf52840", "eep-right")


def operations(rig: ElfRig, name: str) -> list[tuple[int, Operation]]:
    """Operations of one memory in the second session of the uncut update, each with its entry."""
    _, run = uncut(rig)[1]
    return [(n, e) for n, e in enumerate(run.entries) if isinstance(e, Operation) and e.device == name]


# -- one journal --------------------------------------------------------------------------------------------


def test_operations_of_all_memories_are_one_journal_in_the_order_of_their_ends(rig: ElfRig) -> None:
    sessions = uncut(rig)
    assert [str(run.outcome) for _, run in sessions] == ["reset by software", "new image runs, committed"]
    assert [device.name for device in rig.machine.devices] == ["flash", "flash-uicr", "nor", "eeprom"]
    for _, run in sessions:
        ends = [entry.end_us for entry in run.entries if isinstance(entry, Operation)]
        assert ends == sorted(ends)
    assert [e.kind for _, e in operations(rig, "eeprom")] == ["write"] * 4


def test_a_write_goes_on_over_a_reset_of_the_processor(rig: ElfRig) -> None:
    """The record is written, and the processor resets at once: the write ends in the next session."""
    (state, first), (warm, second) = uncut(rig)
    assert sum(isinstance(entry, Operation) for entry in first.entries) == 2
    carried = second.entries[0]
    assert isinstance(carried, Operation)
    assert (carried.device, carried.address, carried.length) == ("eeprom", 0, 8)
    assert carried.start_us <= 0 < carried.end_us == carried.start_us + 5000
    assert {name for name, _ in warm.ram if name.startswith("memory ")} == {"memory nor", "memory eeprom"}
    assert second.end.ram == (), "power takes what chips hold"
    assert state.cause == "power"


def test_the_core_waits_for_a_memory_without_stepping_through_the_wait(rig: ElfRig) -> None:
    """An erase of the NOR takes longer than all else of the session; a loop that asks for its end is skipped over."""
    _, run = uncut(ElfRig(load_elf_board(Path(beside(Path(rig.board.paths[0]).parent, "nrf52840", "nor-right")))))[0]
    (erase, program) = [entry for entry in run.entries if isinstance(entry, Operation)]
    assert (erase.kind, erase.end_us - erase.start_us) == ("erase", 45_000)
    assert 0 < program.start_us - erase.end_us < 50, (
        "it goes on when the chip is ready, not at the next look at a timer"
    )


# -- cut ----------------------------------------------------------------------------------------------------


def places(rig: ElfRig) -> Iterator[tuple[DeviceState, int, EdgeWalker, object]]:
    walker = EdgeWalker(rig, TEAR_SETS["T1-coarse"], ())
    for state, run in uncut(rig):
        beside_it = [n for n, e in enumerate(run.entries) if isinstance(e, Operation) and e.device != "flash"]
        for entry in sorted({n + step for n in beside_it for step in (0, 1)} & set(range(len(run.entries) + 1))):
            yield state, entry, walker, run


@pytest.mark.parametrize("loader", ["nor-right", "eep-right"])
def test_a_live_cut_leaves_what_the_journal_says(tmp_path: Path, loader: str) -> None:
    made = make(tmp_path, "nrf52840", loader)
    tried = set()
    for state, entry, walker, run in places(made):
        for child in walker.children(state, run, entry):  # type: ignore[arg-type]
            if child.edge.entry > entry:
                break
            cut = made.run(state, child.edge.interruption())
            assert cut.outcome.kind == "cut"
            assert cut.end.key == child.state.key, child.edge
            tried.add(child.edge.kind)
    wanted = {
        "nor-right": {"cut", "prefix", "front", "preprogrammed"},
        "eep-right": {"cut", "rewritten", "page-erased"},
    }
    assert wanted[loader] <= tried


def test_a_sample_is_held_against_the_journal_in_every_campaign(rig: ElfRig) -> None:
    assert check_live_cuts(rig, TEAR_SETS["T1"], 1, 8) > 16


def test_what_is_under_way_is_torn_at_whatever_the_core_is_doing(rig: ElfRig) -> None:
    """A page is marked in the EEPROM, and the next one erased meanwhile: one cut tears both, or one of them."""
    state, run = uncut(rig)[1]
    walker = EdgeWalker(rig, TEAR_SETS["T1-coarse"], ())
    entry = next(n for n, e in operations(rig, "eeprom") if e.address == 0x20)
    after = run.entries[entry + 1]
    assert isinstance(after, Operation)
    assert (after.device, after.kind) == ("flash", "erase")
    assert after.start_us < operations(rig, "eeprom")[1][1].end_us < after.end_us
    together = [child for child in walker.children(state, run, entry) if child.edge.entry == entry]
    hows = {child.edge.how for child in together}
    assert {"rewritten-1_none", "none_front-1", "page-erased-1_preprogrammed-1"} <= hows
    for child in together:
        assert rig.run(state, child.edge.interruption()).end.key == child.state.key, child.edge


def test_a_program_of_the_chip_waits_for_no_memory_and_keeps_its_place(rig: ElfRig) -> None:
    """While the EEPROM works the chip's own operations go the long way, with the same times."""
    _, run = uncut(rig)[1]
    own = [e for e in run.entries if isinstance(e, Operation) and e.device == "flash" and e.kind == "program"]
    assert {e.end_us - e.start_us for e in own} == {41}


def uncut_once(made: ElfRig) -> tuple[DeviceState, object]:
    state = made.initial(1)
    return state, made.run(state)


# -- what a session depends on ------------------------------------------------------------------------------


def test_a_session_depends_on_nothing_outside_its_footprint(rig: ElfRig) -> None:
    for state, run in uncut(rig):
        assert run.trace is not None
        memory = []
        for number, (name, cells) in enumerate(zip(rig.chip_names, rig.bench_cells(), strict=True)):
            cells.restore(state.memory[number])
            if name in ("nor", "eeprom"):
                grid = rig.grids[name]
                seen = {unit for chip, unit in run.trace.consulted_units if chip == name}
                assert seen, name
                every = {unit for block in range(grid.block_count) for unit in grid.units_of(block)}
                for unit in sorted(every - seen):
                    at, size = grid.extent(unit)
                    cells.put_bytes(at, bytes(byte ^ 0x5A for byte in cells.read(at, size)))
            memory.append(cells.snapshot())
        again = rig.run(DeviceState(tuple(memory), state.cause, state.attempts_left, state.ram))
        assert [repr(e) for e in again.entries] == [repr(e) for e in run.entries]
        assert (again.outcome, again.end_us) == (run.outcome, run.end_us)


def test_a_session_is_the_same_in_any_order_and_in_a_fresh_interpreter(rig: ElfRig) -> None:
    first = uncut(rig)
    for state, run in [*reversed(first), *first]:
        rig.run(state, Interruption(1))
        again = rig.run(state)
        assert (again.outcome, again.end_us, again.end.key) == (run.outcome, run.end_us, run.end.key)
    assert repeat_in_fresh_interpreter(rig_spec(rig), [state for state, _ in first]) == []


def test_an_operation_has_the_place_of_the_code_that_asked_for_it(rig: ElfRig) -> None:
    (warm, _) = uncut(rig)[1]
    names = {"eeprom": "i2c_write", "flash": "flash_program"}
    for entry in (operations(rig, "eeprom")[1][0], 5):
        counter = rig.store_at(warm, entry)
        assert counter is not None
        made_by = rig.run(warm).entries[entry]
        assert isinstance(made_by, Operation)
        assert rig.place_of(counter).function == names[made_by.device]


# -- mistakes -----------------------------------------------------------------------------------------------


def mistakes() -> list[object]:
    """The table of firmware/README.md: (bootloader, bug, what waits, cuts, tears, check)."""
    rows = [line.strip("| ").split(" | ") for line in (FIRMWARE / "README.md").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if len(row) == 7 and row[0] in ("nor", "eep")]
    assert len(rows) == 9
    slow = {("nor", "3"), ("nor", "4"), ("eep", "4"), ("eep", "3"), ("eep", "5")}
    return [
        pytest.param(*row[:2], *row[3:], id=f"{row[0]}{row[1]}", marks=[pytest.mark.slow] * (tuple(row[:2]) in slow))
        for row in rows
    ]


@pytest.mark.parametrize(("loader", "bug", "staged", "cuts", "tears", "check"), mistakes())
def test_a_mistake_is_found_by_its_declared_check(
    tmp_path: Path, loader: str, bug: str, staged: str, cuts: str, tears: str, check: str
) -> None:
    verdict = explored(make(tmp_path, "nrf52840", f"{loader}-bug{bug}", staged), tears)
    fewest = {len(finding.path) for finding in verdict.findings if finding.key.check == check}
    assert fewest, {finding.key.check for finding in verdict.findings}
    assert min(fewest) == int(cuts)


@pytest.mark.parametrize(
    ("chip", "loader", "tears"),
    [
        ("nrf52840", "eep-right", "none"),
        *(
            pytest.param(chip, f"{loader}-right", tears, marks=pytest.mark.slow)
            for chip in ("stm32f1", "stm32l4", "nrf52840")
            for loader in ("nor", "eep")
            for tears in ("none", "T1-coarse")
            if (chip, loader, tears) != ("nrf52840", "eep", "none")
        ),
    ],
)
def test_the_right_ones_hold_at_any_depth(tmp_path: Path, chip: str, loader: str, tears: str) -> None:
    verdict = explored(make(tmp_path, chip, loader), tears)
    assert (verdict.word, verdict.complete) == ("held", True)


def test_a_command_while_the_chip_is_busy_is_an_entry(tmp_path: Path) -> None:
    _, run = uncut_once(make(tmp_path, "stm32l4", "nor-bug2"))
    found = [entry for entry in run.entries if isinstance(entry, Misuse)]  # type: ignore[attr-defined]
    assert [(each.device, each.rule) for each in found][:2] == [("nor", "while-busy"), ("nor", "while-busy")]


# -- board files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('bus = "SPI1"', 'bus = "SPI9"', "'nor': bus 'SPI9': W25Q80DL hangs on an SPI, and STM32F103xB has SPI1"),
        ('bus = "SPI1"', 'bus = "I2C1"', "hangs on an SPI"),
        ('select = "PA4"', 'select = "PA16"', "select 'PA16' is no pin of STM32F103xB; pins look like PA4"),
        ('select = "PA4"', 'select = ""', "select '' is no pin"),
        ('select = "PA4"', 'select = "PA4"\naddress = 0x50', "address is for a chip on an I2C"),
        ('part = "W25Q80DL"', 'part = "W25Q80XX"', "no part named 'W25Q80XX'"),
        ('part = "W25Q80DL"', 'part = "STM32F405"', "without a command set"),
        ('part = "W25Q80DL"', "", "give part or part_file, one of them"),
        ('part = "24LC32A"', 'part = "24LC16B"', ""),
        ("address = 0x50", "address = 0x90", "address"),
        ('bus = "I2C1"', 'bus = "SPI1"', "hangs on an I2C"),
        ('name = "eeprom"', 'name = "nor"', "each needs a name of its own"),
        ('name = "eeprom"', 'name = "flash2"', "none that begins with 'flash'"),
        ('memory = "nor"', 'memory = "nro"', "memory 'nro' is no [[memory]] of this board; it has nor, eeprom"),
        ("address = 0x1000\nmemory", "address = 0xfff00\nmemory", "is not in memory 'nor', [0x0, 0x100000)"),
        ('name = "a"', 'name = "a"\nmemory = "nor"', "every [[slot]] is in a memory beside the chip"),
    ],
)  # fmt: skip
def test_a_memory_that_cannot_be_is_refused_in_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = beside(tmp_path, "stm32f1", "eep-right")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    if not says:
        load_elf_board(path)
        return
    with pytest.raises(BoardError) as refused:
        load_elf_board(path)
    assert says in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('address = 0x0\nmemory = "nro"', "[[counter]] at 0x0: memory 'nro' is no [[memory]] of this board"),
        ('address = 0xfffff0\nmemory = "nor"', "counter at 0xfffff0: [0xfffff0, 0xfffff4) is not in memory 'nor'"),
        (
            'address = 0\nmemory = "nor"\ncrc32 = { from = 0, to = 4, at = 0xffffe }',
            "crc32 of the counter at 0x0: [0xffffe, 0x100002) is not in memory 'nor'",
        ),
        (
            'address = 0x0\nmemory = "nor"\n[[counter]]\naddress = 0x8001000',
            "counter at 0x8001000: numbers that are compared with each other are in one memory",
        ),
    ],
)
def test_a_counter_that_cannot_be_is_refused(tmp_path: Path, more: str, says: str) -> None:
    with pytest.raises(BoardError) as refused:
        load_elf_board(beside(tmp_path, "stm32f1", "eep-right", more=f"[[counter]]\n{more}\n"))
    assert says in str(refused.value)


def test_a_memory_of_a_board_that_has_none_is_refused(tmp_path: Path) -> None:
    path = board(tmp_path, "stm32f1", "copy-right", "brief")
    path.write_text(path.read_text(encoding="utf-8") + '[[counter]]\naddress = 0\nmemory = "nor"\n', encoding="utf-8")
    with pytest.raises(BoardError, match=r"it has none$"):
        load_elf_board(path)


def test_two_chips_at_one_place_are_refused(tmp_path: Path) -> None:
    more = '[[memory]]\nname = "second"\npart = "24LC16B"\nbus = "I2C1"\n'
    with pytest.raises(BoardError, match="'eeprom' answers there already; give each a pin or an address of its own"):
        load_elf_board(beside(tmp_path, "stm32f1", "eep-right", more=more))
    other = '[[memory]]\nname = "second"\npart = "W25Q80DL"\nbus = "SPI2"\nselect = "PA4"\n'
    with pytest.raises(BoardError, match="'nor' answers there already"):
        load_elf_board(beside(tmp_path, "stm32f1", "eep-right", more=other))


def test_a_slot_beside_the_chip_is_a_place_with_a_name(tmp_path: Path) -> None:
    more = '[[slot]]\nname = "waiting"\naddress = 0x1000\nsize = 0x1000\nmemory = "nor"\n'
    made = ElfRig(load_elf_board(beside(tmp_path, "nrf52840", "nor-right", more=more)))
    assert [(region.chip, region.name, region.address) for region in made.regions] == [
        ("flash", "a", 0x4000), ("nor", "waiting", 0x1000),
    ]  # fmt: skip
    assert len(made.places.slots) == 1
