"""Boot config records as values: any that counts, and any that another one outdates.

Neighbours: `bootloader.config` packs and reads them; `pairs` puts them on flash and tears them. Knows no flash.
"""

from __future__ import annotations

from hypothesis import strategies as st

from bootloader.config import ERASED_SEQUENCER, INITIAL_SEQUENCER, SLOT_COUNT, BootConfig, SlotConfig

_u32 = st.integers(0, 0xFFFF_FFFF)
_slot_configs = st.builds(SlotConfig, _u32, _u32, _u32, _u32, _u32, _u32, _u32)


def boot_configs(*, min_sequencer: int = 0, max_sequencer: int = INITIAL_SEQUENCER) -> st.SearchStrategy[BootConfig]:
    """A `bootloader.config.BootConfig` whose record reads back as it is: also combinations no update ever makes.

    Sequencers are in ``min_sequencer`` to ``max_sequencer`` (0 to FFFFFFFE; they count down, so a smaller one is
    newer); slots 0 and 1; the revert slot is the other one or none; every 32-bit field takes any value. Shrinks to the
    oldest sequencer, slot 0, nothing to revert to, no flag, and slots that say nothing.
    """
    if not 0 <= min_sequencer <= max_sequencer < ERASED_SEQUENCER:
        raise ValueError(
            f"boot_configs(): sequencers {min_sequencer:#x} to {max_sequencer:#x}: give a range inside 0 to fffffffe"
        )
    return _boot_configs(min_sequencer, max_sequencer)


@st.composite
def _boot_configs(draw: st.DrawFn, least: int, most: int) -> BootConfig:
    active = draw(st.integers(0, SLOT_COUNT - 1))
    return BootConfig(
        sequencer=most - draw(st.integers(0, most - least)),
        active_slot=active,
        revert_slot=draw(st.sampled_from((None, 1 - active))),
        committed=draw(st.booleans()),
        first_boot=draw(st.booleans()),
        merge_fs=draw(st.booleans()),
        commit_timeout_s=draw(_u32),
        slots=(draw(_slot_configs), draw(_slot_configs)),
    )


def stale_boot_configs(newest: BootConfig) -> st.SearchStrategy[BootConfig]:
    """A valid record that ``newest`` outdates: its sequencer is larger. ``newest`` must not be the oldest there is."""
    if newest.sequencer >= INITIAL_SEQUENCER:
        raise ValueError(
            f"stale_boot_configs(): nothing is older than sequencer {newest.sequencer:08x}; "
            "draw newest with boot_configs(max_sequencer=0xfffffffd)"
        )
    return boot_configs(min_sequencer=newest.sequencer + 1)
