"""Chips that nobody makes: the rules of every kind of part, at sizes a test can compare byte by byte.

Neighbours: `flash.part` says what a part may be; `operations` and `pairs` draw what happens on one. Knows no content.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from hypothesis import strategies as st

from flash.figure import Figure
from flash.part import Ecc, Endurance, Erase, Part, PartKind, Program, Read, Runs, checked_part

KINDS: tuple[PartKind, ...] = tuple(kind for kind in get_args(PartKind) if kind != "eeprom")
"""spi-nor, parallel-nor, mcu-word, mcu-ecc, stm32f1."""

MAX_SECTORS = 16
_SOURCE = "drawn for a property test: no real chip"


def parts(*, kinds: Sequence[PartKind] = KINDS, smallest_sector: int = 64) -> st.SearchStrategy[Part]:
    """A `flash.part.Part` that `flash.device.FlashDevice` takes, of one of ``kinds``.

    Sizes in bytes. 4 to 16 sectors of ``smallest_sector`` (a power of two, at least 64) to four times that: equal ones
    on a spi-nor, which may offer larger blocks, else up to three runs. Program units of 1 to 16, pages or bursts of 16
    to 64. Erased is FF or 00; overwriting, programs per erase and what an uncorrectable granule does are what parts of
    the kind are known to have. Figures of time are the same for all. Shrinks to four small sectors of the first kind.
    """
    if smallest_sector < 64 or smallest_sector & (smallest_sector - 1):
        raise ValueError(f"parts(): smallest_sector={smallest_sector}: give a power of two, 64 or more")
    if not kinds or set(kinds) - set(KINDS):
        raise ValueError(f"parts(): kinds={tuple(kinds)!r}: give one or more of {', '.join(KINDS)}")
    return _parts(tuple(kinds), smallest_sector)


@st.composite
def _parts(draw: st.DrawFn, kinds: tuple[PartKind, ...], smallest: int) -> Part:
    kind = draw(st.sampled_from(kinds))
    runs = draw(_runs(smallest, uniform=kind == "spi-nor"))
    size = sum(run.count * run.size for run in runs)
    blocks = draw(_blocks(runs[0])) if kind == "spi-nor" else ()
    sizes = sorted({run.size for run in runs} | set(blocks))
    made = Part(
        name=f"drawn-{kind}",
        vendor="nobody",
        kind=kind,
        size=size,
        sectors=runs,
        program=draw(_PROGRAMS[kind]),
        erase=tuple(Erase(size, _figure(100 * size)) for size in sizes),
        read=Read(bytes_per_us=8, source=_SOURCE),
        endurance=Endurance(cycles=1000, source=_SOURCE),
        source=_SOURCE,
        erased=draw(st.sampled_from((0xFF, 0x00))),
        ecc=draw(_eccs) if kind == "mcu-ecc" else None,
    )
    return checked_part(made, made.name)


def _figure(typ_us: float) -> Figure:
    return Figure(typ=typ_us, max=4 * typ_us, source=_SOURCE)


@st.composite
def _runs(draw: st.DrawFn, smallest: int, *, uniform: bool) -> tuple[Runs, ...]:
    """Neighbouring runs of different sizes, four sectors at least: what two config copies and two slots need."""
    sizes = [smallest * draw(st.sampled_from((1, 2, 4)))]
    while not uniform and len(sizes) < 3 and draw(st.booleans()):
        sizes.append(draw(st.sampled_from([smallest * n for n in (1, 2, 4) if smallest * n != sizes[-1]])))
    left = MAX_SECTORS - 4 - (len(sizes) - 1)
    runs = []
    for number, size in enumerate(sizes):
        more = draw(st.integers(0, left))
        left -= more
        runs.append(Runs((1 if number else 4) + more, size))
    return tuple(runs)


def _blocks(run: Runs) -> st.SearchStrategy[tuple[int, ...]]:
    """Larger erases that cover the array without a rest, nested."""
    whole = [run.size * n for n in (2, 4, 8) if run.count % n == 0]
    return st.integers(0, len(whole)).map(lambda count: tuple(whole[:count]))


_eccs = st.builds(
    Ecc,
    fault=st.sampled_from(("nmi", "bus-fault", "flag")),
    source=st.just(_SOURCE),
    corrects=st.sampled_from((True, False)),
)

_bursts = st.sampled_from((16, 32, 64))


def _program(unit: int, **rules: object) -> Program:
    return Program(unit, _figure(160), **rules)  # type: ignore[arg-type]


_PROGRAMS: dict[PartKind, st.SearchStrategy[Program]] = {
    "spi-nor": st.builds(_program, st.just(1), page_size=_bursts),
    "parallel-nor": st.one_of(
        st.builds(_program, st.sampled_from((1, 2)), page_size=_bursts),
        st.builds(_program, st.sampled_from((1, 2)), burst_size=_bursts),
    ),
    "mcu-word": st.one_of(
        st.builds(_program, st.sampled_from((4, 1, 2, 8)), burst_size=_bursts, max_per_erase=st.sampled_from((0, 2))),
        st.just(_program(16, page_size=16, max_per_erase=8, budget_size=64)),
    ),
    "mcu-ecc": st.builds(
        _program,
        st.sampled_from((8, 4, 16)),
        burst_size=_bursts,
        max_per_erase=st.just(1),
        overwrite=st.sampled_from(("blank-or-zero", "blank-only", "and")),
    ),
    "stm32f1": st.builds(_program, st.just(2), burst_size=_bursts, overwrite=st.just("blank-or-zero")),
}
"""As W25Q and S29GL, nRF52 and SAM D21 (a budget per row), STM32L4 / G0 / L0, STM32F1 program."""
