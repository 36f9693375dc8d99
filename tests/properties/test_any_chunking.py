"""However an archive is cut into chunks, the same flash operations happen at the same times, to the same end.

Good archives, bad ones, truncated ones and damaged ones; held against the whole file as one chunk.

The clock advances by flash operations alone, so equal start and end times mean that nothing in between asked flash
for more in one run than in the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.strategies import chunkings
from flash.journal import Entry
from tests.updater.workbench import (
    BUNDLE,
    NEW_APP,
    TAIL,
    app_entry,
    archive,
    chunks,
    document,
    entry,
    feed_pieces,
    fs_entry,
    make_bench,
    manifest_entry,
    unhurried,
)
from updater import OtaState, UpdateState, updater_finish, updater_process

FIRST = manifest_entry()
ARCHIVES = {
    "good": BUNDLE,
    "good, more entries": archive(FIRST, entry("demo/"), fs_entry(), entry("demo/notes", b"n" * 3000), app_entry()),
    "good, long extra fields": archive(FIRST, app_entry(extra=bytes(900)), fs_entry(extra=bytes(982))),
    "truncated": archive(FIRST, app_entry(), fs_entry())[: -len(TAIL) - 5],
    "not even a header": BUNDLE[:17],
    "wrong platform": archive(manifest_entry(document() | {"platform": "other"}), app_entry(), fs_entry()),
    "wrong CRC": archive(FIRST, app_entry(crc32=1), fs_entry()),
    "wrong digest": archive(FIRST, fs_entry(), app_entry(NEW_APP[:-1] + b"?")),
    "twice": archive(FIRST, app_entry(), app_entry(), fs_entry()),
    "incomplete": archive(FIRST, app_entry()),
    "compressed": archive(FIRST, app_entry(), fs_entry(method=8)),
    "long name": archive(FIRST, app_entry(), entry("demo/" + "x" * 50), fs_entry()),
    "endless header": archive(FIRST, app_entry(), fs_entry(extra=bytes(984))),
    "no header": FIRST + app_entry() + b"neither a header nor a central directory",
    "first entry is no manifest": archive(app_entry(), FIRST, fs_entry()),
}


class Story(NamedTuple):
    """All that can be seen of an update, before and after it was asked to finish."""

    fed: int
    state: UpdateState
    finished: int
    result: int
    status_msg: str
    detail: str
    ota_state: OtaState
    need_reboot: bool
    journal: list[Entry]
    log: list[str]
    now_us: int
    flash: bytes


def story(pieces: Iterable[bytes], *, part: str = "MX25R8035F", same: bool = False) -> Story:
    """What becomes of an archive in these pieces."""
    bench = make_bench(part)
    if same:
        bench.target.version, bench.target.build_id = "2.1.7-x", "20240101-000000/gabc1234-main-x"
    context = bench.begin(ignore_same_version=same)
    fed = feed_pieces(context, pieces)
    state = context.update_state
    finished = updater_finish(context)
    return Story(
        fed, state, finished, context.result, context.status_msg, context.detail, context.ota_state,
        context.need_reboot, bench.device.journal.entries, bench.target.log, bench.clock.now_us,
        bench.device.cells.read(0, bench.device.geometry.size),
    )  # fmt: skip


@cache
def at_once(label: str, part: str = "MX25R8035F") -> Story:
    return story([ARCHIVES[label]], part=part)


class Damage(NamedTuple):
    """The good archive with some bytes changed (offset: mask) and some missing at the end."""

    masks: dict[int, int]
    missing: int

    @property
    def content(self) -> bytes:
        changed = (value ^ self.masks.get(at, 0) for at, value in enumerate(BUNDLE))
        return bytes(changed)[: len(BUNDLE) - self.missing]


offsets = st.integers(0, len(BUNDLE) - 1)
damages = st.builds(Damage, st.dictionaries(offsets, st.integers(1, 255), max_size=3), st.just(0) | offsets)


def test_the_archives_of_this_file_end_as_their_names_say() -> None:
    ends = {label: at_once(label).finished for label in ARCHIVES}
    assert {label for label, finished in ends.items() if finished == 1} == {
        "good", "good, more entries", "good, long extra fields",
    }  # fmt: skip
    assert set(ends.values()) == {1, -1}
    assert len({at_once(label).detail for label in ARCHIVES if ends[label] < 0}) == 12
    assert at_once("good").journal != []


@pytest.mark.parametrize("label", ARCHIVES)
def test_byte_by_byte_is_as_at_once(label: str) -> None:
    assert story(chunks(ARCHIVES[label], [1])) == at_once(label)


@unhurried
@given(label=st.sampled_from(sorted(ARCHIVES)), data=st.data())
def test_any_chunks_are_as_at_once(label: str, data: st.DataObject) -> None:
    assert story(data.draw(chunkings(ARCHIVES[label]))) == at_once(label)


@pytest.mark.parametrize(("label", "sizes"), [("good", [30, 1]), ("endless header", [1023, 1, 1])])
def test_chunks_that_end_at_a_header_are_as_at_once(label: str, sizes: list[int]) -> None:
    assert story(chunks(ARCHIVES[label], sizes)) == at_once(label)


@settings(unhurried, max_examples=100)
@given(damage=damages, data=st.data())
def test_any_chunks_of_a_damaged_or_truncated_archive_are_as_at_once(damage: Damage, data: st.DataObject) -> None:
    whole = story([damage.content])
    assert story(data.draw(chunkings(damage.content))) == whole
    assert whole.finished < 0 or whole.flash == at_once("good").flash, "something else was written and taken"


@pytest.mark.parametrize("part", ["STM32F103", "STM32F405", "STM32L072", "STM32L476", "W25Q128JV", "nRF52840"])
@pytest.mark.parametrize("sizes", [(1,), (7, 300), (256,), (4096, 1)], ids=str)
def test_any_chunks_are_as_at_once_on_every_part(part: str, sizes: tuple[int, ...]) -> None:
    assert at_once("good", part).finished == 1
    assert story(chunks(BUNDLE, sizes), part=part) == at_once("good", part)


@unhurried
@given(pieces=chunkings(BUNDLE))
def test_any_chunks_of_the_same_version_end_alike_and_write_nothing(pieces: list[bytes]) -> None:
    whole, cut = story([BUNDLE], same=True), story(pieces, same=True)
    assert cut == whole
    assert (cut.fed, cut.result, cut.need_reboot, cut.journal) == (1, 1, False, [])


@unhurried
@given(pieces=chunkings(BUNDLE))
def test_empty_chunks_in_between_do_nothing(pieces: list[bytes]) -> None:
    bench = make_bench()
    context = bench.begin()
    for chunk in pieces:
        assert updater_process(context, b"") == 0
        assert updater_process(context, chunk) == 0
    assert updater_finish(context) == 1
    assert bench.device.journal.entries == at_once("good").journal
