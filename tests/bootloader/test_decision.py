"""The boot decision: every row of the table in its docstring, and what holds whatever was read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootloader import decision
from bootloader.config import BootConfig, Configs, CopyReading, SlotConfig, newest_of
from bootloader.decision import Decision, ResetCause, Rule, decide
from bootloader.image import ImageHeader
from bootloader.verify import Reason, Verification
from emu.strategies import boot_configs

CAUSES: tuple[ResetCause, ...] = get_args(ResetCause)
OLD, NEW = SlotConfig(10, 0x100, 0x111, 1, 20, 30, 40), SlotConfig(11, 0x200, 0x222, 2, 21, 31, 41)
BAD = Verification(Reason.BAD_CRC, "stored 0, computed 1")

COMMITTED = BootConfig(500, 1, None, True, False, False, 30, (OLD, NEW))
FIRST = BootConfig(500, 1, 0, False, True, True, 30, (OLD, NEW))
ENTERED = replace(FIRST, first_boot=False)
OLDER = FIRST.with_slot(1, replace(NEW, app_version=0))


def good(slot: SlotConfig) -> Verification:
    """A good image, with the header that ``slot`` describes."""
    header = ImageHeader(slot.app_length, slot.load_address, slot.app_version, slot.app_crc, bytes(32))
    return Verification(Reason.OK, header=header)


def described(header: ImageHeader) -> SlotConfig:
    return SlotConfig(header.app_length, header.load_address, header.app_crc, header.app_version)


FOUND = SlotConfig(12, 0x300, 0x333, 3)
"""An image that no config names, believed by its header."""


@dataclass
class FakeImages:
    """Answers as told, and notes who asked for what."""

    configured: tuple[Verification, Verification] = (BAD, BAD)
    headers: tuple[Verification, Verification] = (BAD, BAD)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def as_configured(self, slot: int) -> Verification:
        self.asked.append(("configured", slot))
        return self.configured[slot]

    def by_header(self, slot: int) -> Verification:
        self.asked.append(("header", slot))
        return self.headers[slot]


def configs_of(config: BootConfig | None) -> Configs:
    first = CopyReading(None, "no magic (reads 00000000)") if config is None else CopyReading(config, "valid")
    return newest_of(first, CopyReading(None, "erased"))


def settled(config: BootConfig, slot: int, image: SlotConfig) -> BootConfig:
    """The committed record that keeps ``image`` in ``slot``; filesystem fields stay as they were."""
    kept = config.slots[slot]
    fs = {"fs_offset": kept.fs_offset, "fs_length": kept.fs_length, "fs_crc": kept.fs_crc}
    settled = replace(config, active_slot=slot, revert_slot=None, committed=True, first_boot=False, merge_fs=False)
    return settled.with_slot(slot, replace(image, **fs))


# -- the table -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One way into one row. ``row``: its label, and its "newest config" cell (one alternative of it)."""

    name: str
    row: tuple[str, str]
    config: BootConfig | None
    expected: Decision
    configured: tuple[Verification, Verification] = (BAD, BAD)
    headers: tuple[Verification, Verification] = (BAD, BAD)
    refuse_downgrade: bool = False
    can_write: bool = True


def says(rule: Rule, slot: int | None, record: BootConfig | None = None, **trial: object) -> Decision:
    return replace(Decision(rule, slot, "", record), **trial)  # type: ignore[arg-type]


BLANK = BootConfig(0, 0, None, True, False, False, 0, (SlotConfig(), SlotConfig()))
BOTH = (good(OLD), good(NEW))
TRIAL = {"trial": True, "timeout_s": 30}
REVERT = settled(FIRST, 0, OLD)
KEEP = settled(FIRST, 1, NEW)

CASES = (
    Case("slot 0 is tried first", ("no-config", "none valid"), None, says("no-config", 0, settled(BLANK, 0, FOUND)),
         headers=(good(FOUND), good(NEW))),
    Case("slot 1 when 0 is bad", ("no-config", "none valid"), None, says("no-config", 1, settled(BLANK, 1, FOUND)),
         headers=(BAD, good(FOUND))),
    Case("no record possible", ("no-config", "none valid"), None, says("no-config", 0), headers=(good(FOUND), BAD),
         can_write=False),
    Case("nothing anywhere", ("nothing-to-boot", "none valid"), None, says("nothing-to-boot", None)),
    Case("every day", ("normal", "committed"), COMMITTED, says("normal", 1), BOTH),
    Case("every day, other slot bad", ("normal", "committed"), COMMITTED, says("normal", 1), (BAD, good(NEW))),
    Case("every day, no write", ("normal", "committed"), COMMITTED, says("normal", 1), BOTH, can_write=False),
    Case("to the revert slot", ("fallback", "committed"), replace(COMMITTED, revert_slot=0),
         says("fallback", 0, settled(COMMITTED, 0, OLD)), (good(OLD), BAD)),
    Case("to an image by its header", ("fallback", "committed"), COMMITTED,
         says("fallback", 0, settled(COMMITTED, 0, FOUND)), headers=(good(FOUND), BAD)),
    Case("to the revert slot, by the header of another image", ("fallback", "committed"),
         replace(COMMITTED, revert_slot=0), says("fallback", 0, settled(COMMITTED, 0, FOUND)),
         headers=(good(FOUND), BAD)),
    Case("fallback without a record", ("fallback", "committed"), replace(COMMITTED, revert_slot=0),
         says("fallback", 0), (good(OLD), BAD), can_write=False),
    Case("both bad", ("nothing-to-boot", "committed"), COMMITTED, says("nothing-to-boot", None)),
    Case("both bad, revert slot", ("nothing-to-boot", "committed"), replace(COMMITTED, revert_slot=0),
         says("nothing-to-boot", None)),
    Case("new image", ("trial", "first boot"), FIRST, says("trial", 1, ENTERED, **TRIAL), BOTH),
    Case("new image, revert bad", ("trial", "first boot"), FIRST, says("trial", 1, ENTERED, **TRIAL), (BAD, good(NEW))),
    Case("newer, downgrades refused", ("trial", "first boot"), FIRST, says("trial", 1, ENTERED, **TRIAL), BOTH,
         refuse_downgrade=True),
    Case("older, downgrades allowed", ("trial", "first boot"), OLDER,
         says("trial", 1, replace(OLDER, first_boot=False), **TRIAL), BOTH),
    Case("no timeout, no timer", ("trial", "first boot"), replace(FIRST, commit_timeout_s=0),
         says("trial", 1, replace(ENTERED, commit_timeout_s=0), trial=True), BOTH),
    Case("new image bad", ("refuse-new", "first boot"), FIRST, says("refuse-new", 0, REVERT), (good(OLD), BAD)),
    Case("older, downgrades refused", ("refuse-new", "first boot"), OLDER,
         says("refuse-new", 0, settled(OLDER, 0, OLD)), BOTH, refuse_downgrade=True),
    Case("new image bad, no record", ("refuse-new", "first boot"), FIRST, says("refuse-new", 0), (good(OLD), BAD),
         can_write=False),
    Case("no record possible", ("cannot-mark", "first boot"), FIRST, says("cannot-mark", 0), BOTH, can_write=False),
    Case("exhausted", ("cannot-mark", "first boot"), replace(FIRST, sequencer=0), says("cannot-mark", 0), BOTH),
    Case("nothing to go back to", ("last-resort", "entered"), ENTERED, says("last-resort", 1, KEEP), (BAD, good(NEW))),
    Case("no way back, no record", ("last-resort", "entered"), ENTERED, says("last-resort", 1), (BAD, good(NEW)),
         can_write=False),
    Case("cannot mark, revert bad", ("last-resort", "first boot"), FIRST, says("last-resort", 1), (BAD, good(NEW)),
         can_write=False),
    Case("older, but revert bad", ("last-resort", "first boot"), OLDER,
         says("last-resort", 1, settled(OLDER, 1, OLDER.slots[1])), (BAD, good(OLDER.slots[1])), refuse_downgrade=True),
    Case("not committed in time", ("roll-back", "entered, not committed"), ENTERED, says("roll-back", 0, REVERT), BOTH),
    Case("not committed, and bad", ("roll-back", "entered, not committed"), ENTERED, says("roll-back", 0, REVERT),
         (good(OLD), BAD)),
    Case("no revert slot named", ("roll-back", "entered, not committed"), replace(ENTERED, revert_slot=None),
         says("roll-back", 0, settled(ENTERED, 0, FOUND)), headers=(good(FOUND), BAD)),
    Case("roll-back without a record", ("roll-back", "entered, not committed"), ENTERED, says("roll-back", 0), BOTH,
         can_write=False),
    Case("all bad", ("nothing-to-boot", "first boot"), FIRST, says("nothing-to-boot", None)),
    Case("all bad, entered", ("nothing-to-boot", "entered"), ENTERED, says("nothing-to-boot", None)),
)  # fmt: skip


def table_rows() -> set[tuple[str, str]]:
    """Label and config cell of every row in the docstring; alternatives joined by "or" are rows of their own."""
    lines = [line for line in (decision.__doc__ or "").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["row", "newest config", "active image", "other slot", "decision"]
    return {(row[0], state) for row in cells[2:] for state in row[1].split(" or ")}


def test_the_cases_exercise_every_row_of_the_table_and_no_other() -> None:
    assert {case.row for case in CASES} == table_rows()
    assert {label for label, _ in table_rows()} == set(get_args(Rule))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{'/'.join(case.row)}: {case.name}")
def test_row(case: Case) -> None:
    for cause in CAUSES:
        images = FakeImages(case.configured, case.headers)
        found = decide(
            configs_of(case.config), images, cause, refuse_downgrade=case.refuse_downgrade, can_write=case.can_write
        )
        assert found.rule == case.row[0]
        assert found.why
        record = found.record if case.config is not None else found.record and replace(found.record, sequencer=0)
        assert replace(found, why="", record=record) == case.expected


# -- what is looked at -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "slot"),
    [(COMMITTED, 1), (replace(COMMITTED, active_slot=0, revert_slot=1), 0), (FIRST, 1), (ENTERED, 0)],
    ids=["normal", "normal with a way back", "trial", "roll-back"],
)
def test_only_the_image_that_is_going_to_run_is_verified(config: BootConfig, slot: int) -> None:
    images = FakeImages(BOTH)
    assert decide(configs_of(config), images, "power").slot == slot
    assert images.asked == [("configured", slot)]


def test_why_tells_what_was_seen() -> None:
    def why(config: BootConfig | None, images: FakeImages, **options: bool) -> str:
        return decide(configs_of(config), images, "commit-timer", **options).why

    assert why(COMMITTED, FakeImages(BOTH)) == "committed"
    assert "commit-timer" in why(ENTERED, FakeImages(BOTH))
    assert "slot 1: CRC mismatch: stored 0, computed 1" in why(FIRST, FakeImages((good(OLD), BAD)))
    assert "version 0x0 is older than 0x1" in why(OLDER, FakeImages(BOTH), refuse_downgrade=True)
    nothing = why(None, FakeImages())
    assert all(text in nothing for text in ("config 0: no magic", "config 1: erased", "slot 0: CRC", "slot 1: CRC"))


# -- whatever was read -----------------------------------------------------------------------------------

headers = st.builds(
    ImageHeader,
    *(st.integers(0, 0xFFFF_FFFF) for _ in range(4)),
    app_sha256=st.binary(min_size=32, max_size=32),
)
verifications = st.one_of(
    st.builds(Verification, st.just(Reason.OK), header=headers),
    st.builds(Verification, st.sampled_from([r for r in Reason if r is not Reason.OK]), st.text(), st.none() | headers),
)
pairs = st.tuples(verifications, verifications)


@dataclass(frozen=True)
class World:
    """Everything a decision is made from."""

    first: BootConfig | None
    second: BootConfig | None
    configured: tuple[Verification, Verification]
    headers: tuple[Verification, Verification]
    refuse_downgrade: bool
    can_write: bool

    @property
    def configs(self) -> Configs:
        copies = (CopyReading(c, "valid" if c else "erased") for c in (self.first, self.second))
        return newest_of(*copies)

    def decide(self, cause: ResetCause) -> tuple[Decision, FakeImages]:
        images = FakeImages(self.configured, self.headers)
        options = {"refuse_downgrade": self.refuse_downgrade, "can_write": self.can_write}
        return decide(self.configs, images, cause, **options), images


worlds = st.builds(
    World, st.none() | boot_configs(), st.none() | boot_configs(), pairs, pairs, st.booleans(), st.booleans()
)
given_a_world = given(worlds)


@given_a_world
def test_only_a_slot_that_was_verified_good_is_booted(world: World) -> None:
    found, images = world.decide("power")
    answers = {"configured": world.configured, "header": world.headers}
    seen = [(slot, answers[how][slot]) for how, slot in images.asked]
    if found.slot is None:
        assert found.rule == "nothing-to-boot"
        assert not any(image.ok for _, image in seen)
    else:
        assert any(slot == found.slot and image.ok for slot, image in seen)


@given_a_world
def test_a_trial_is_recorded_as_entered_before_it_starts(world: World) -> None:
    found, _ = world.decide("power")
    config = world.configs.config
    assert found.trial == (found.rule == "trial")
    if found.trial:
        assert config is not None
        assert config.first_boot and not config.committed and world.can_write and config.sequencer > 0
        assert found.slot == config.active_slot
        assert found.record == replace(config, first_boot=False)
        assert found.timeout_s == config.commit_timeout_s
    else:
        assert found.timeout_s == 0


@given_a_world
def test_an_image_that_was_entered_and_not_committed_gets_no_second_trial(world: World) -> None:
    found, _ = world.decide("power")
    config = world.configs.config
    if config is not None and not config.committed and not config.first_boot:
        assert found.rule in ("roll-back", "last-resort", "nothing-to-boot")
        assert not found.trial
        if found.slot == config.active_slot:
            assert found.rule == "last-resort"


@given_a_world
def test_every_other_record_settles_on_the_slot_that_is_booted(world: World) -> None:
    found, _ = world.decide("power")
    if not world.can_write:
        assert found.record is None
    if found.record is not None and not found.trial:
        record = found.record
        assert (record.active_slot, record.revert_slot) == (found.slot, None)
        assert record.committed and not record.first_boot and not record.merge_fs
        kept = record.slots[record.active_slot]
        assert replace(kept, fs_offset=0, fs_length=0, fs_crc=0) in [
            described(image.header) for image in (*world.configured, *world.headers) if image.header is not None
        ]
    if found.rule in ("normal", "cannot-mark", "nothing-to-boot"):
        assert found.record is None


@given_a_world
def test_the_reset_cause_changes_neither_slot_nor_record_nor_rule(world: World) -> None:
    decisions = {replace(world.decide(cause)[0], why="") for cause in CAUSES}
    assert len(decisions) == 1


@given(boot_configs(), pairs, st.booleans())
def test_whatever_fails_a_good_configured_image_is_never_left_for_a_halt(
    config: BootConfig, configured: tuple[Verification, Verification], can_write: bool
) -> None:
    by_header = tuple(replace(image) if image.ok else BAD for image in configured)
    found = decide(
        configs_of(config), FakeImages(configured, (by_header[0], by_header[1])), "power", can_write=can_write
    )
    assert (found.slot is None) == (not any(image.ok for image in configured))
