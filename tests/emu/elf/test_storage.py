"""A board for an ELF that updates nothing: right firmware holds, each mistake is found by its check, and what an oracle
looks at is in the footprint."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.audit import Auditor
from emu.campaign.closure import Closure
from emu.campaign.edges import EdgeWalker
from emu.campaign.explore import Explorer
from emu.campaign.live_cuts import check_live_cuts
from emu.campaign.monitor import Monitor
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Verdict
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from emu.elf.uncut import check_uncut
from emu.errors import BoardError, ScenarioError
from emu.events import OFFERED, SAID, TOLD
from emu.ledger import NOTHING_OWED
from emu.oracle import Contents, Ended
from emu.rig import DeviceState, Place, Run
from emu.rig_spec import rig_spec
from flash.errors import EccFault
from flash.journal import Event, Interruption, Operation
from flash.tears import TEAR_SETS
from tests.emu.cpu.elf_bench import FIRMWARE
from tests.emu.elf.storage_boards import SAYS, STORE_CHIPS, store_board, with_oracle

IMPORTED = "from emu.oracle import Oracle\n"
ONLY_WRITES = 'storing = "storing {key}={value}"\nstored = "stored {key}={value}"\n'


def make(folder: Path, chip: str, build: str, **lines: str) -> ElfRig:
    return ElfRig(load_elf_board(store_board(folder, chip, build, **lines)))


def explored(rig: ElfRig, tears: str = "none", depth: int = ANY) -> Verdict:
    options = Options(tears=TEAR_SETS[tears], depth=depth, keeps_new=rig.keeps_new)
    return (Closure if depth == ANY else Explorer)(rig, rig.bounds, options).explore()


def broken(verdict: Verdict) -> set[str]:
    return {finding.key.check for finding in verdict.findings}


def facts(run: Run, name: str) -> list[tuple[object, ...]]:
    return [entry.facts for entry in run.entries if isinstance(entry, Event) and entry.name == name]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ElfRig:
    """The right one of the STM32L4, with an oracle for both moments."""
    folder = tmp_path_factory.mktemp("store")
    name = with_oracle(folder, "stm32l4")
    return make(folder, "stm32l4", "right", oracle=f'oracle = "{name}"\nafter_cut = "{name}"')


# -- sessions -----------------------------------------------------------------------------------------------


def test_what_is_said_moves_the_ledger(store: ElfRig) -> None:
    run = store.run(store.initial(1))
    assert str(run.outcome) == "settled"
    assert facts(run, SAID)[:4] == [("USART1", line) for line in
                                    ("formatted", "no volume", "no mode", "storing volume=aaaaaaaa")]  # fmt: skip
    assert facts(run, TOLD)[:3] == [("volume", ""), ("mode", ""), ("volume", "aaaaaaaa")]
    assert facts(run, OFFERED) == [(("volume", "mode")[n % 2], "abcde"[n] * 8) for n in range(5)]
    names = [entry.name if isinstance(entry, Event) else "write" for entry in run.entries]
    first = names.index(OFFERED)
    assert names[first - 1 : first + 5] == [SAID, OFFERED, "write", "write", SAID, TOLD]
    monitor = Monitor()
    for entry in run.entries:
        monitor = monitor.after(entry) if isinstance(entry, Event) else monitor
    assert monitor.ledger.told == (("mode", "dddddddd"), ("volume", "eeeeeeee"))
    again = store.run(run.end)
    assert not any(isinstance(entry, Operation) for entry in again.entries), "it is done, and reads back alone"
    assert facts(again, TOLD) == [("volume", "eeeeeeee"), ("mode", "dddddddd")]


def test_without_a_text_it_has_to_run_on_after_its_reset(tmp_path: Path) -> None:
    path = store_board(tmp_path, "stm32l4", "right")
    path.write_text(path.read_text().replace('uart = "ready"', "").replace("stays_s = 0.05", "stays_s = 0.25"))
    rig = ElfRig(load_elf_board(path))
    run = rig.run(rig.initial(1))
    stood_us = sum(entry.end_us - entry.start_us for entry in run.entries if isinstance(entry, Operation))
    assert stood_us > 60_000, "time in which the core stands still for its flash does not count"
    assert (str(run.outcome), run.end_us) == ("settled", 250_000 + stood_us)
    path.write_text(path.read_text().replace("stays_s = 0.25", "stays_s = 0.25\nword = [0x2000_0000, 1]"))
    rig = ElfRig(load_elf_board(path))
    outcome = rig.run(rig.initial(1)).outcome
    assert str(outcome).startswith("hangs: the firmware runs, and the word at 0x20000000 is 0x")


def test_what_never_comes_to_life_says_so(tmp_path: Path) -> None:
    path = store_board(tmp_path, "stm32l4", "right")
    path.write_text(path.read_text().replace('uart = "ready"', 'uart = "hello"') + "[limits]\nsession_s = 0.5\n")
    rig = ElfRig(load_elf_board(path))
    outcome = str(rig.run(rig.initial(1)).outcome)
    assert outcome.startswith("hangs: the firmware still runs after ")
    assert outcome.endswith("it last said 'ready'; it never said 'hello', which alive.uart waits for")
    with pytest.raises(ScenarioError, match="the device as shipped does not run: hangs: the firmware still runs"):
        check_uncut(rig)


@pytest.mark.parametrize("entry", [0, 2, 7, 8, 10, 11, 30])
def test_a_live_cut_leaves_what_replaying_the_prefix_leaves(store: ElfRig, entry: int) -> None:
    """Between lines and between what they mean, too."""
    state = store.initial(1)
    run = store.run(state)
    made = EdgeWalker(store, TEAR_SETS["none"], ()).find(state, run, entry, "cut")
    cut = store.run(state, Interruption(entry))
    assert made is not None
    assert (cut.outcome.kind, len(cut.entries)) == ("cut", entry)
    assert made.state.key == cut.end.key


def test_live_cuts_are_held_against_the_journal(store: ElfRig) -> None:
    assert check_live_cuts(store, TEAR_SETS["T1"], 1, 8) > 12


def consulted(run: Run, chip: str) -> set[int]:
    assert run.trace is not None
    return {unit for name, unit in run.trace.consulted_units if name == chip}


def test_what_oracles_look_at_is_in_the_footprint(store: ElfRig, tmp_path: Path) -> None:
    """As a boot finds it: also what the session erases unseen. As it was left: what nobody has erased."""
    chip, grid = store.chip_names[0], store.grids[store.chip_names[0]]
    log = set(grid.units_in(0x1000, 0x1000))
    run = store.run(store.initial(1))
    assert log <= consulted(run, chip)
    name = with_oracle(tmp_path, "stm32l4")
    left = make(tmp_path, "stm32l4", "right", oracle=f'oracle = "{name}"')
    first = left.run(left.initial(1))
    second = left.run(first.end)
    assert log <= consulted(second, chip)
    assert first.trace is not None
    assert log <= consulted(first, chip) | {unit for device, unit in first.trace.determined if device == chip}
    assert not log <= consulted(first, chip), "what a session has erased it does not depend on"
    alone = make(tmp_path, "stm32l4", "right")
    assert not log <= consulted(alone.run(alone.initial(1)), chip), "the firmware looks at less"
    assert not log <= consulted(alone.run(first.end), chip)


def test_a_session_and_its_verdicts_depend_on_nothing_outside_the_footprint(store: ElfRig) -> None:
    chip, grid = store.chip_names[0], store.grids[store.chip_names[0]]
    state = store.run(store.initial(1)).end
    run = store.run(state)
    every = {unit for block in range(grid.block_count) for unit in grid.units_of(block)}
    cells = store.bench_cells()[0]
    cells.restore(state.memory[0])
    for unit in sorted(every - consulted(run, chip)):
        at, size = grid.extent(unit)
        cells.data[at : at + size] ^= 0x5A
    again = store.run(DeviceState((cells.snapshot(), *state.memory[1:]), state.cause, state.attempts_left))
    assert [repr(e) for e in again.entries] == [repr(e) for e in run.entries]
    assert (again.outcome, again.end_us) == (run.outcome, run.end_us)


# -- campaigns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chip", "tears"),
    [
        ("stm32l4", "none"),
        pytest.param("nrf52840", "none", marks=pytest.mark.slow),
        pytest.param("stm32f1", "none", marks=pytest.mark.slow),
        pytest.param("stm32l4", "T1", marks=pytest.mark.slow),
        pytest.param("stm32f1", "T1-coarse", marks=pytest.mark.slow),
    ],
)
def test_the_right_one_holds_at_any_depth(tmp_path: Path, chip: str, tears: str) -> None:
    verdict = explored(make(tmp_path, chip, "right"), tears)
    assert (verdict.word, verdict.complete) == ("held", True)
    assert all(verdict.coverage.exercised[name] for name in ("boots", "durable", "legal-flash", "reads-back"))


@pytest.mark.parametrize("least", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_oracles_hold_too_and_dropped_states_agree(
    store: ElfRig, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emu.campaign.audit.LEAST", least)
    closure = Closure(store, store.bounds, Options(tears=TEAR_SETS["none"], depth=ANY, keeps_new=False))
    verdict = closure.explore()
    assert (verdict.word, verdict.complete) == ("held", True)
    assert all(verdict.coverage.exercised[name] for name in ("records", "records-after-cut"))
    audit = Auditor(closure).audit(0.0, 0)
    assert audit.audited == min(least, audit.dropped) >= 100


def declared() -> list[tuple[str, str]]:
    """(build, check), from the table of firmware/README.md."""
    rows = [line.strip("| ").split(" | ") for line in (FIRMWARE / "README.md").read_text(encoding="utf-8").splitlines()]
    return [(f"bug{row[1]}", row[3]) for row in rows if len(row) == 4 and row[0] == "store"]


def test_every_mistake_is_in_the_table() -> None:
    assert [build for build, _ in declared()] == ["bug1", "bug2", "bug3"]


@pytest.mark.parametrize("chip", STORE_CHIPS)
@pytest.mark.parametrize(("build", "check"), declared())
def test_a_mistake_is_found_by_its_check(tmp_path: Path, chip: str, build: str, check: str) -> None:
    verdict = explored(make(tmp_path, chip, build))
    assert verdict.word == "findings"
    assert broken(verdict) == {check}
    assert min(finding.cuts for finding in verdict.findings) == 1


@pytest.mark.parametrize("build", ["bug1", "bug2"])
def test_an_oracle_finds_what_nothing_is_said_of(tmp_path: Path, build: str) -> None:
    """Nobody tells what is read back; by the end of the boot, what was lost has been stored anew."""
    name = with_oracle(tmp_path, "stm32l4")
    rig = make(tmp_path, "stm32l4", build, says=ONLY_WRITES, oracle=f'oracle = "{name}"\nafter_cut = "{name}"')
    verdict = explored(rig)
    assert broken(verdict) == {"records-after-cut"}
    assert "stands as" in verdict.findings[0].message


def test_what_is_lost_without_a_word_is_found(tmp_path: Path) -> None:
    """The line that a value is not there is not waited for."""
    silent = ONLY_WRITES + 'read = "read {key}={value}"\n'
    verdict = explored(make(tmp_path, "stm32l4", "bug1", says=silent))
    assert broken(verdict) == {"reads-back"}
    assert verdict.findings[0].message == (
        "mode is stored anew and was not read back; it was told or asked to be 'bbbbbbbb' or 'dddddddd'"
    )
    assert explored(make(tmp_path, "stm32l4", "right", says=silent)).word == "held"


def test_brute_force_finds_the_same(tmp_path: Path) -> None:
    name = with_oracle(tmp_path, "stm32l4")
    for build, word in (("right", "held"), ("bug1", "findings")):
        rig = make(tmp_path, "stm32l4", build, oracle=f'after_cut = "{name}"')
        closure, brute = explored(rig), explored(rig, depth=1)
        assert closure.word == brute.word == word
        keys = [{(f.key.check, f.path) for f in verdict.findings if f.cuts == 1} for verdict in (closure, brute)]
        assert keys[0] == keys[1]


def test_an_oracle_is_told_what_was_said_and_what_is_owed(tmp_path: Path) -> None:
    seen = "SEEN = []\ndef curious(contents):\n    SEEN.append((contents.said, contents.keys))\n    return ''\n"
    (tmp_path / "curious.py").write_text(seen)
    rig = make(tmp_path, "stm32l4", "right", oracle='oracle = "curious.py:curious"')
    rig.run(rig.initial(1))
    explored(rig, depth=1)
    oracle = rig.oracles[-1]
    heard = oracle.judge.__globals__["SEEN"]  # type: ignore[attr-defined]
    assert {keys for _, keys in heard} == {("mode", "volume")}
    assert any(said[:2] == ("formatted", "no volume") and said[-1] == "ready" for said, _ in heard)
    assert any(said == ("read volume=eeeeeeee", "read mode=dddddddd", "ready") for said, _ in heard)


def test_another_process_makes_the_same_rig_or_says_why_not(store: ElfRig, tmp_path: Path) -> None:
    spec = pickle.loads(pickle.dumps(rig_spec(store)))
    assert {role: item.digest for role, item in spec.resolve().inputs.items()} == {
        role: item.digest for role, item in store.inputs.items()
    }
    name = with_oracle(tmp_path, "stm32l4")
    rig = make(tmp_path, "stm32l4", "right", oracle=f'oracle = "{name}"')
    spec = rig_spec(rig)
    (tmp_path / "oracle.py").write_text("records = 1\n")
    with pytest.raises(ScenarioError, match=r"oracle\.py: has changed since the campaign began; run it again"):
        spec.resolve()
    (tmp_path / "oracle.py").unlink()
    with pytest.raises(ScenarioError, match=r"oracle\.py: cannot be read: No such file or directory; oracles of"):
        spec.resolve()


def test_the_oracle_is_an_input_and_no_part_of_the_board(store: ElfRig, tmp_path: Path) -> None:
    name = with_oracle(tmp_path, "stm32l4")
    oracle = f'oracle = "{name}"\nafter_cut = "{name}"'
    same = make(tmp_path, "stm32l4", "right", oracle=oracle)
    (tmp_path / "oracle.py").write_text((tmp_path / "oracle.py").read_text() + "\n# better\n")
    other = make(tmp_path, "stm32l4", "right", oracle=oracle)
    assert same.inputs["board"].digest == other.inputs["board"].digest
    assert same.inputs["oracle"].digest != other.inputs["oracle"].digest
    assert same.inputs["oracle"].label.count("records") == 1, "asked twice, named once"
    assert "oracle" not in make(tmp_path, "stm32l4", "right").inputs


# -- what cannot be right -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[storage]", "[storage]\nstore = 1", "unknown field `store`"),
        (SAYS, "", "[storage] says nothing: give storing, stored and read, as the firmware says it, or an oracle"),
        ('storing = "storing {key}={value}"\n', "", "storage.read without storing"),
        ('read = ["read {key}={value}", "no {key}"]\n', "", "storage: nothing is compared: give read"),
        (SAYS, 'storing = "storing {key}={value}"\noracle = "oracle.py:records"\n', "storing alone owes nothing"),
        ("{key}={value}", "{name}={value}", "storage.storing: {name} in"),
        (SAYS, 'oracle = "oracle.py"', "storage: 'oracle.py' names no oracle; write FILE.py:NAME"),
        (SAYS, 'oracle = "none.py:records"', "none.py: cannot be read: No such file or directory; oracles of"),
        ('name = "log"', 'name = "log"\nmemory = "nor"', "memory 'nor' is no [[memory]] of this board"),
        ("address = 0x8001000\n", "address = 0x9001000\n", "window 'log': [0x9001000, 0x9002000) is not in the flash"),
        ("[[window]]", '[[window]]\nname = "log"\naddress = 0x8003000\nsize = 8\n[[window]]', "two [[window]] or"),
        ("[storage]", "[commit]\nuart = 'x'\n[storage]", "[commit] belongs to an update, and there is no [[image]]"),
        ("[storage]", "[[slot]]\nname = 'a'\naddress = 0x8004000\nsize = 2048\n[storage]", "[[slot]] belongs to an"),
        ("[[file]]", "accept = ['old']\n[[file]]", "accept is about images, and there is no [[image]]"),
    ],
)  # fmt: skip
def test_a_board_that_cannot_be_right_says_why(tmp_path: Path, old: str, new: str, says: str) -> None:
    with_oracle(tmp_path, "stm32l4")
    path = store_board(tmp_path, "stm32l4", "right")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BoardError) as wrong:
        load_elf_board(path)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert str(wrong.value).startswith(str(path))


def test_without_a_storage_a_board_needs_an_update(tmp_path: Path) -> None:
    path = store_board(tmp_path, "stm32l4", "right")
    text = path.read_text()
    storage = text[text.index("[storage]") : text.index("[alive]")]
    path.write_text(text.replace(storage, ""))
    with pytest.raises(BoardError, match=r"\[\[window\]\] 'log': nobody looks at it; add \[storage\], with an oracle"):
        load_elf_board(path)
    window = text[text.index("[[window]]") : text.index("[storage]")]
    path.write_text(text.replace(storage, "").replace(window, ""))
    with pytest.raises(BoardError, match=r"what is to be tried\? For an update \[\[slot\]\], \[\[image\]\] and"):
        load_elf_board(path)
    path.write_text(text.replace(window, "").replace(SAYS, 'after_cut = "oracle.py:records"'))
    with pytest.raises(BoardError, match=r"storage\.after_cut has nothing to look at; add a \[\[window\]\]"):
        load_elf_board(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("def record(contents):\n    return ''\n", "nothing is called 'records' (did you mean `record`?); it has"),
        ("class records:\n    pass\n", "'records' is a type, no Oracle and no function of the contents"),
        ("def records(:\n", "line 1: SyntaxError: "),
        ("1 / 0\n", "line 1: ZeroDivisionError: division by zero"),
        (IMPORTED + "records = Oracle('durable', 'p', len)\n", "another check called 'durable'"),
        (IMPORTED + "records = Oracle('reads-back', 'p', len)\n", "another check called 'reads-back'"),
        (IMPORTED + "records = Oracle('r', 'p', len, ('nor',))\n", "no window of oracle 'r' 'nor': log"),
    ],
)  # fmt: skip
def test_an_oracle_that_cannot_judge_says_why(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "oracle.py").write_text(content)
    board = load_elf_board(store_board(tmp_path, "stm32l4", "right", oracle='oracle = "oracle.py:records"'))
    with pytest.raises(ScenarioError) as wrong:
        ElfRig(board)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("key", ["oracle", "after_cut"])
def test_an_oracle_that_fails_names_its_line(tmp_path: Path, key: str) -> None:
    (tmp_path / "oracle.py").write_text("def records(contents):\n    return contents.read('log')[1 << 20]\n")
    rig = make(tmp_path, "stm32l4", "right", oracle=f'{key} = "oracle.py:records"')
    with pytest.raises(ScenarioError, match=r"oracle 'records' failed: IndexError: .* \(oracle\.py:2\)"):
        explored(rig)


def test_a_pattern_that_fits_nothing_is_refused_before_anything_is_cut(tmp_path: Path) -> None:
    says = ONLY_WRITES + 'read = "reads {key}={value}"\n'
    rig = make(tmp_path, "stm32l4", "right", says=says)
    with pytest.raises(ScenarioError) as wrong:
        check_uncut(rig)
    assert "storage.read: no line of 9 boots fits 'reads {key}={value}'; it said 'formatted'," in str(wrong.value)
    check_uncut(make(tmp_path, "stm32l4", "right"))
    later = make(tmp_path, "stm32l4", "right", says=ONLY_WRITES + 'read = "read {key}={value}"\n')
    check_uncut(later)  # nothing is there to be read in the first boot


def test_a_window_may_be_in_the_data_eeprom_of_the_chip(tmp_path: Path) -> None:
    path = store_board(tmp_path, "stm32l4", "right", oracle=f'oracle = "{with_oracle(tmp_path, "stm32l4")}"')
    text = path.read_text().replace("STM32L476xG", "STM32L072xZ").replace("stm32l4-store-right", "stm32l0-copy-right")
    window = text[text.index("[[window]]") : text.index("[storage]")]
    path.write_text(text.replace(window, '[[window]]\nname = "log"\naddress = 0x0808_0010\nsize = 0x20\n\n'))
    board = load_elf_board(path)
    (entry,) = board.document.window
    assert (entry.memory, entry.address, entry.size) == ("flash-eeprom", 0x10, 0x20)
    rig = ElfRig(board)
    (place,) = rig._storage.windows.values()
    assert (rig.chip_names[place.chip], place.address) == ("flash-eeprom", 0x10)
    path.write_text(path.read_text().replace("0x0808_0010", "0x0808_17F0"))
    with pytest.raises(BoardError, match=r"window 'log': \[0x80817f0, 0x8081810\) is not in the flash of STM32L072xZ"):
        load_elf_board(path)


def test_a_window_may_be_in_a_memory_beside_the_chip(tmp_path: Path) -> None:
    """And a board may have a storage besides an update."""
    example = FIRMWARE.parent / "emu" / "examples" / "elf-memories"
    (tmp_path / "look.py").write_text(
        "SEEN = []\ndef look(contents):\n    '''Nothing is wrong.'''\n"
        "    SEEN.append(contents.read('settings'))\n    return ''\n"
    )
    text = (example / "board.toml").read_text().replace('path = "', f'path = "{example}/')
    (tmp_path / "board.toml").write_text(
        text + '\n[[window]]\nname = "settings"\nmemory = "eeprom"\naddress = 0\nsize = 16\n'
        '[storage]\noracle = "look.py:look"\n'
    )
    rig = ElfRig(load_elf_board(tmp_path / "board.toml"))
    at = rig.chip_names.index("eeprom")
    assert [(r.chip, r.name) for r in rig.regions if r.name == "settings"] == [("eeprom", "settings")]
    run = rig.run(rig.initial(1))
    units = set(rig.grids["eeprom"].units_in(0, 16))
    assert units <= consulted(run, "eeprom")
    names = [oracle.name for oracle in rig.oracles]
    assert names == ["accepts", "stays-up", "look"]
    assert rig.oracles[-1].promise == "nothing is wrong"
    assert rig.oracles[-1].of_session(Ended((), run, rig.parts, NOTHING_OWED, NOTHING_OWED)) == ""
    seen = rig.oracles[-1].judge.__globals__["SEEN"][-1]  # type: ignore[attr-defined]
    cells = rig.bench_cells()[at]
    cells.restore(run.end.memory[at])
    assert seen == bytes(cells.read(0, 16))
    path = tmp_path / "board.toml"
    path.write_text(path.read_text().replace("size = 16", "size = 0x10_0000"))
    with pytest.raises(BoardError, match=r"window 'settings': \[0x0, 0x100000\) is not in memory 'eeprom'"):
        load_elf_board(path)


def test_faults_are_done_to_updates(store: ElfRig) -> None:
    from emu.elf.bench import ElfBench

    with pytest.raises(ScenarioError, match=r"has no \[\[image\]\], and faults are done to updates"):
        ElfBench(store)


@pytest.mark.parametrize(
    ("offset", "length", "gone"),
    [(0, 64, (16, 24)), (0, 17, (16, 17)), (20, 3, (0, 3)), (12, 6, (4, 6)), (24, 8, ()), (0, 16, ())],
)
def test_what_error_correction_gives_up_on_may_read_as_a_byte(
    store: ElfRig, offset: int, length: int, gone: tuple[int, ...]
) -> None:
    cells = store.bench_cells()[0]
    content = bytes(range(64))
    cells.put_bytes(0x1000, content)
    cells.mark_broken(0x1010, 8)
    contents = Contents({"log": Place(0, 0x1000, 0x1000)}, store.parts, (cells.snapshot(),), NOTHING_OWED)
    expected = bytearray(content[offset : offset + length])
    if gone:
        expected[slice(*gone)] = b"\xaa" * (gone[1] - gone[0])
        with pytest.raises(EccFault):
            contents.read("log", offset, length)
    assert contents.read("log", offset, length, broken=0xAA) == expected


def test_the_grid_is_fine_where_windows_are(store: ElfRig, tmp_path: Path) -> None:
    """Also in pages that the first boot leaves alone."""
    spare = '[[window]]\nname = "spare"\naddress = 0x8004000\nsize = 0x800\n'
    rig = make(tmp_path, "stm32l4", "right", more=spare)
    grid = rig.grids[rig.chip_names[0]]
    for at, size in ((0x1000, 0x1000), (0x4000, 0x800)):
        assert {grid.extent(unit)[1] for unit in grid.units_in(at, size)} == {32}
    assert {grid.extent(unit)[1] for unit in grid.units_in(0x8000, 0x800)} != {32}
    assert replace(store.initial(1), attempts_left=0).memory == store.initial(0).memory
