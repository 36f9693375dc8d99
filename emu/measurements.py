"""The figures of a bench by name: what a table shows, a document holds and `--fail-if` compares.

A row of the table each, with its unit at the end of its name. Device figures repeat exactly, by the timing and the seed
that were asked for; a name that begins with `host` is about this machine.

Neighbours: `throughput` and `uncut` measure, `gate` compares, `cli.bench` prints. Knows no option.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emu.throughput import Throughput
from emu.uncut import Uncut

DIGITS = 3
"""Decimals a figure is reported and compared with: microseconds, where the unit is ms."""


@dataclass(frozen=True, slots=True)
class Figures:
    """``row``: the update by the chunk size and the link that the named figures are about."""

    row: Throughput
    uncut: Uncut


@dataclass(frozen=True, slots=True)
class Measurement:
    name: str
    group: str
    meaning: str
    of: Callable[[Figures], float]


@dataclass(frozen=True, slots=True)
class Reading:
    """A measurement that was taken."""

    name: str
    group: str
    meaning: str
    value: float


THROUGHPUT, STALLS, BOOTS, WEAR = "throughput", "stalls", "boot and commit", "wear of one update"
MEASUREMENTS = (
    Measurement("device_kib_per_s", THROUGHPUT, "bytes of the new image over update_ms",
                lambda f: f.row.device_kib_per_s),
    Measurement("two_buffers_kib_per_s", THROUGHPUT, "the same over two_buffers_ms",
                lambda f: f.row.two_buffers_kib_per_s),
    Measurement("share_of_cheapest_percent", THROUGHPUT, "the cheapest legal flash operations over those of the update",
                lambda f: 100 * f.row.share),
    Measurement("update_ms", THROUGHPUT, "begin of the update until it is staged: the five that follow, together",
                lambda f: f.row.total_us / 1000),
    Measurement("link_ms", THROUGHPUT, "waiting for chunks", lambda f: f.row.link_us / 1000),
    Measurement("erase_ms", THROUGHPUT, "erases while chunks arrive", lambda f: f.row.erase_us / 1000),
    Measurement("program_ms", THROUGHPUT, "programs while chunks arrive", lambda f: f.row.program_us / 1000),
    Measurement("read_back_ms", THROUGHPUT, "reads while chunks arrive, and before", lambda f: f.row.read_us / 1000),
    Measurement("finish_ms", THROUGHPUT, "image header and boot config", lambda f: f.row.finish_us / 1000),
    Measurement("two_buffers_ms", THROUGHPUT, "update_ms, if one buffer fills while the other is worked on",
                lambda f: f.row.two_buffers_us / 1000),
    Measurement("host_mb_per_s", THROUGHPUT, "how fast this machine emulates it", lambda f: f.row.host_mb_per_s),
    Measurement("erase_stalls", STALLS, "stretches of the update in which flash only erases",
                lambda f: f.row.stalls.count),
    Measurement("longest_erase_stall_ms", STALLS, "the longest of them", lambda f: f.row.stalls.longest_us / 1000),
    Measurement("total_erase_stall_ms", STALLS, "all of them", lambda f: f.row.stalls.total_us / 1000),
    Measurement("worst_chunk_ms", STALLS, "longest time the updater works on one chunk",
                lambda f: f.row.worst_chunk_us / 1000),
    Measurement("boot_ms", BOOTS, "power-on to hand-over with nothing to decide, the slower of old and new image",
                lambda f: f.uncut.boot_us / 1000),
    Measurement("trial_boot_ms", BOOTS, "restart to the first hand-over to the new image",
                lambda f: f.uncut.trial_boot_us / 1000),
    Measurement("commit_call_ms", BOOTS, "the application's call of commit", lambda f: f.uncut.commit_call_us / 1000),
    Measurement("time_to_commit_ms", BOOTS, "restart until commit has returned: boot, self-test ([app]), the call",
                lambda f: f.uncut.commit_us / 1000),
    Measurement("update_to_commit_ms", BOOTS, "update_ms and time_to_commit_ms",
                lambda f: (f.row.total_us + f.uncut.commit_us) / 1000),
    Measurement("erase_operations", WEAR, "erase commands until the new image is committed",
                lambda f: f.uncut.erase_operations),
    Measurement("sector_erases", WEAR, "erases of all sectors: a block erase wears every sector in it",
                lambda f: sum(sector.erases for sector in f.uncut.sectors)),
    Measurement("worst_sector_erases", WEAR, "erases of the sector that has most",
                lambda f: max(sector.erases for sector in f.uncut.sectors)),
    Measurement("updates_to_rated_cycles", WEAR, "such updates until that sector has the cycles its part is rated for",
                lambda f: min(p.rated_cycles // p.worst_sector_erases for p in f.uncut.partitions if p.erases)),
)  # fmt: skip


def names_on(partitions: Sequence[str]) -> list[Measurement]:
    """Every measurement of a board with these partitions, in order."""
    return [*MEASUREMENTS, *(each for name in partitions for each in _of_partition(name))]


def readings(figures: Figures) -> list[Reading]:
    """All of them, taken; rounded as they are shown, so that a gate and a document never disagree."""
    partitions = [partition.name for partition in figures.uncut.partitions]
    return [Reading(each.name, each.group, each.meaning, _rounded(each.of(figures))) for each in names_on(partitions)]


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else round(value, DIGITS)


def _of_partition(name: str) -> tuple[Measurement, Measurement]:
    def wear(figures: Figures) -> tuple[int, int]:
        found = next(partition for partition in figures.uncut.partitions if partition.name == name)
        return found.erases, found.worst_sector_erases

    return (
        Measurement(f"sector_erases[{name}]", WEAR, f"erases of all sectors of {name}", lambda f: wear(f)[0]),
        Measurement(
            f"worst_sector_erases[{name}]", WEAR, f"erases of the sector of {name} that has most", lambda f: wear(f)[1]
        ),
    )
