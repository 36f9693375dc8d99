"""What to run after a reset: a pure, total function of what was read.

| row | newest config | active image | other slot | decision |
|---|---|---|---|---|
| no-config | none valid | | a good image | boot it, write a fresh committed record |
| nothing-to-boot | none valid | | none good | halt |
| normal | committed | good | | boot active |
| fallback | committed | bad | good, as configured or by its own header | record it as active, boot it |
| nothing-to-boot | committed | bad | bad | halt |
| trial | first boot | good | | record "entered", arm the timer, boot active as a trial |
| refuse-new | first boot | bad, or older where downgrades are refused | good | record revert as active, boot it |
| cannot-mark | first boot | good | good, but no record can be written | boot revert, write nothing |
| last-resort | first boot or entered | good by its header | bad | record active as committed, boot it |
| roll-back | entered, not committed | | good | record revert as active, boot it |
| nothing-to-boot | first boot or entered | bad | bad | halt |

An uncommitted image is entered at most once, whatever ended it: commit timer, watchdog, crash, power. So the reset
cause changes no row; it is in ``why``. Which of commit and expiry wins is decided by flash alone: when the committed
record is whole, commit has won. The one promise that ranks higher is to run something: where the revert image is bad
too, a good uncommitted image is kept (last-resort) rather than bricking the device.

Neighbours: `boot` reads, asks here, and acts. This room touches no flash and no timer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from bootloader.config import INITIAL_SEQUENCER, SLOT_COUNT, BootConfig, Configs, SlotConfig
from bootloader.verify import Verification

Rule = Literal[
    "no-config",
    "normal",
    "fallback",
    "trial",
    "refuse-new",
    "cannot-mark",
    "last-resort",
    "roll-back",
    "nothing-to-boot",
]
ResetCause = Literal["power", "software", "pin", "watchdog", "commit-timer", "fault"]


class Images(Protocol):
    """Verification results, made when asked for: a boot should read only what its decision needs."""

    def as_configured(self, slot: int) -> Verification:
        """The image the newest config names for ``slot``; at its first boot with its filesystem."""
        ...

    def by_header(self, slot: int) -> Verification:
        """Whatever image stands in ``slot``, believed by its own header."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What the bootloader is going to do.

    ``slot`` None: halt. ``record``: write this config first (its sequencer is chosen by the store). ``trial``:
    the image is not committed. ``timeout_s``: arm the commit timer with it; 0: do not arm.
    """

    rule: Rule
    slot: int | None
    why: str
    record: BootConfig | None = None
    trial: bool = False
    timeout_s: int = 0


def decide(
    configs: Configs,
    images: Images,
    cause: ResetCause,
    *,
    refuse_downgrade: bool = False,
    can_write: bool = True,
) -> Decision:
    """The row of the table above that applies. ``can_write`` False: a record could not be written."""
    config = configs.config
    if config is None:
        return _without_config(configs, images, can_write)
    if config.committed:
        return _committed(config, images, can_write)
    if not config.first_boot:
        return _go_back(config, images, "roll-back", f"entered before and not committed; reset by {cause}", can_write)
    image = images.as_configured(config.active_slot)
    if not image.ok:
        return _go_back(config, images, "refuse-new", f"slot {config.active_slot}: {image}", can_write)
    if refuse_downgrade and config.revert_slot is not None:
        new, old = (config.slots[s].app_version for s in (config.active_slot, config.revert_slot))
        if new < old:
            return _go_back(config, images, "refuse-new", f"version {new:#x} is older than {old:#x}", can_write)
    if not can_write or config.sequencer == 0:
        return _go_back(config, images, "cannot-mark", "the entry cannot be recorded", can_write=False)
    return Decision(
        "trial",
        config.active_slot,
        "first boot of a new image",
        replace(config, first_boot=False),
        trial=True,
        timeout_s=config.commit_timeout_s,
    )


def _committed(config: BootConfig, images: Images, can_write: bool) -> Decision:
    image = images.as_configured(config.active_slot)
    if image.ok:
        return Decision("normal", config.active_slot, "committed")
    why = f"slot {config.active_slot}: {image}"
    for slot in _other_slots(config):
        standby = _standby(config, images, slot)
        if standby.ok:
            return Decision("fallback", slot, why, _settled(config, slot, standby) if can_write else None)
        why += f"; slot {slot}: {standby}"
    return Decision("nothing-to-boot", None, why)


def _go_back(config: BootConfig, images: Images, rule: Rule, why: str, can_write: bool) -> Decision:
    """Leave the uncommitted active image for the revert image, or keep it when there is nothing else."""
    for slot in _other_slots(config):
        standby = _standby(config, images, slot)
        if standby.ok:
            return Decision(rule, slot, why, _settled(config, slot, standby) if can_write else None)
        why += f"; slot {slot}: {standby}"
    image = images.as_configured(config.active_slot)
    if not image.ok:
        image = images.by_header(config.active_slot)
    if image.ok:
        record = _settled(config, config.active_slot, image) if can_write else None
        return Decision("last-resort", config.active_slot, why, record)
    return Decision("nothing-to-boot", None, f"{why}; slot {config.active_slot}: {image}")


def _without_config(configs: Configs, images: Images, can_write: bool) -> Decision:
    why = "; ".join(f"config {n}: {copy.reason}" for n, copy in enumerate(configs.copies))
    for slot in range(SLOT_COUNT):
        image = images.by_header(slot)
        if image.ok:
            blank = BootConfig(INITIAL_SEQUENCER, slot, None, True, False, False, 0, (SlotConfig(), SlotConfig()))
            return Decision("no-config", slot, why, _settled(blank, slot, image) if can_write else None)
        why += f"; slot {slot}: {image}"
    return Decision("nothing-to-boot", None, why)


def _standby(config: BootConfig, images: Images, slot: int) -> Verification:
    """The image to go back to: the one the config names, or whatever good image has taken its place."""
    if slot == config.revert_slot:
        named = images.as_configured(slot)
        if named.ok:
            return named
    return images.by_header(slot)


def _other_slots(config: BootConfig) -> list[int]:
    """The revert slot, or else every slot that is not active."""
    if config.revert_slot is not None:
        return [config.revert_slot]
    return [slot for slot in range(SLOT_COUNT) if slot != config.active_slot]


def _settled(config: BootConfig, slot: int, image: Verification) -> BootConfig:
    """A committed record for ``slot``, with what its header says about it."""
    settled = replace(config, active_slot=slot, revert_slot=None, committed=True, first_boot=False, merge_fs=False)
    header = image.header
    assert header is not None, "a good image has a header: please report"
    described = replace(
        config.slots[slot],
        app_length=header.app_length,
        load_address=header.load_address,
        app_crc=header.app_crc,
        app_version=header.app_version,
    )
    return settled.with_slot(slot, described)
