"""The zoo: firmware with one mistake each, and the check that must catch it.

Rows of a table. A mistake is one place changed in a firmware that is correct: it passes the uncut update, and the
declared check catches it at the declared number of interruptions. `test_zoo` holds every row to that, and its
unpatched twin to the opposite, on the same board with the same campaign.

The correct firmware has two defences against most cuts: the config names an image only once it is whole, and the
bootloader verifies what the config names. A mistake in one of them changes nothing that any check could see, and
rightly so: the device keeps every promise. Such a mistake is put into a twin that is correct with the other defence
alone. Left out, because every promise is kept on every board here: the header programmed after the config, the revert
slot not verified, both config copies written one after the other. An ignored commit timeout only shows with
applications that do not commit, which are another workload.

Neighbours: `loaders`, `writers` and `mergers` have the mistakes, `emu.mutants` those that are shipped, `boards` the
boards.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from emu.board import CheckName
from emu.campaign.edges import EventName
from emu.campaign.options import Options
from emu.firmware import ModelFirmware
from emu.mutants.loaders import (
    CommitDeferred,
    CommittedOnEntry,
    OneCopyInPlace,
    TimerAlwaysArmed,
    TriesAgain,
    TrustingLoader,
)
from emu.mutants.writers import ConfigBeforeData, LargerSequencerWins, OverwritesItself
from emu.update_rig import ImagePair, UpdateRig
from flash.tears import TEAR_SETS
from tests.filesystems import image_of
from tests.mutants import loaders, mergers, writers
from tests.mutants.boards import BOARDS, FS_BLOCKS

IMAGES = ImagePair(hashlib.shake_128(b"old").digest(2048), hashlib.shake_128(b"new").digest(3 * 1024 + 172))
FACTORY = {b"conf0.json": b"old defaults", b"index.html": b"<p>old</p>" * 20}
SHIPPED = {b"conf0.json": b"new defaults", b"www/index.html": b"<p>new</p>" * 70}


def images_for(board: str, shipped: dict[bytes, bytes]) -> ImagePair:
    """With filesystems, where the board has room for them."""
    fs_size = BOARDS[board].document.layout.fs_size
    if not fs_size:
        return IMAGES
    old, new = (image_of(files, fs_size // FS_BLOCKS, FS_BLOCKS) for files in (FACTORY, shipped))
    return replace(IMAGES, old_fs=old, new_fs=new)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is tried: a board's name and options. Rows with equal campaigns share a twin's verdict.

    ``crowded``: the update's filesystem leaves no room for the user's files, so the new image is not meant to stay.
    """

    board: str = "serial"
    depth: int = 1
    tears: str = "none"
    events: tuple[EventName, ...] = ()
    attempts: int = 1
    crowded: bool = False

    @property
    def options(self) -> Options:
        return Options(
            tears=TEAR_SETS[self.tears], depth=self.depth, attempts=self.attempts, events=self.events,
            keeps_new=not self.crowded,
        )  # fmt: skip

    def rig(self, firmware: type[ModelFirmware]) -> UpdateRig:
        film = {b"film": bytes(BOARDS[self.board].document.layout.fs_size // FS_BLOCKS + 1)} if self.crowded else {}
        return UpdateRig(BOARDS[self.board], images_for(self.board, SHIPPED | film), firmware=firmware())


@dataclass(frozen=True, slots=True)
class Mutant:
    """``changed``: the place, against ``twin``. ``check`` must catch it with ``campaign.depth`` interruptions, and
    no check may with fewer."""

    name: str
    firmware: type[ModelFirmware]
    changed: str
    check: CheckName
    campaign: Campaign
    twin: type[ModelFirmware] = ModelFirmware


CANARY = Mutant(
    "canary", OverwritesItself, "the other slot is taken for the running one", "in-place", Campaign(depth=1)
)

FAILS_UNCUT: tuple[tuple[str, type[ModelFirmware]], ...] = (
    # The slot that is not running is never blank: a device in the field has had an earlier life. So an updater that
    # does not erase all it will program is found out before any cut.
    ("serial", writers.SlotNotErased),
    ("ecc", writers.SlotNotErased),
    ("narrow", writers.HeaderSectorsNotErased),
)

FOUND_UNCUT: tuple[Mutant, ...] = (
    # keeps-files, each of them: what is wrong is wrong in every update, and the golden run shows it.
    Mutant(
        "old-wins", mergers.OldWins, "a file that is shipped is copied as well", "keeps-files", Campaign(board="files")
    ),
    Mutant(
        "top-level-only", mergers.TopLevelOnly, "folders are not carried over", "keeps-files", Campaign(board="files")
    ),
    Mutant(
        "first-piece",
        mergers.FirstPiece,
        "a file's first piece alone is copied",
        "keeps-files",
        Campaign(board="ecc-files"),
    ),
    Mutant("never-merges", mergers.NeverMerges, "nothing is merged", "keeps-files", Campaign(board="files")),
    Mutant(
        "failure-ignored",
        mergers.FailureIgnored,
        "a failed merge does not end the trial",
        "keeps-files",
        Campaign(board="files", crowded=True),
    ),
)

ZOO: tuple[Mutant, ...] = (
    # keeps-files: a cut between commit and the last copy, and nobody will ever copy the rest.
    Mutant(
        "merges-after-commit", mergers.MergesAfterCommit, "commit comes before the merge", "keeps-files",
        Campaign(board="files"),
    ),
    # keeps-files: a cut in the self-test, and the old image runs without the user's files.
    Mutant("moves-files", mergers.MovesFiles, "the originals are removed", "keeps-files", Campaign(board="ecc-files")),
    # keeps-files: a cut in the self-test; the old image has a stamp, and the next update merges nothing.
    Mutant(
        "stamps-the-old", mergers.StampsTheOld, "the old filesystem is marked as merged", "keeps-files",
        Campaign(board="files"),
    ),
    # in-place: the uncut update alternates by luck; a roll-back erases the newest record, which is the promise itself.
    Mutant("one-copy-in-place", OneCopyInPlace, "the bootloader always writes copy 0", "in-place", Campaign()),
    # retries: bootloader and updater disagree about the newest record, so a rolled-back device refuses all updates.
    Mutant(
        "larger-sequencer-wins", LargerSequencerWins, "the updater's comparison of sequencers", "retries",
        Campaign(),
    ),
    # in-place: a torn record is believed, and what the next write takes for the other copy is the last good record.
    Mutant(
        "config-crc-ignored", loaders.ConfigCrcIgnored, "a record's CRC is not compared", "in-place",
        Campaign(tears="T1"),
    ),
    # whole: the slot runs before it is filled. The verifying bootloader would refuse it, so the twin has none.
    Mutant(
        "config-before-data", ConfigBeforeData, "the config is written when the update begins", "whole",
        Campaign(), twin=TrustingLoader,
    ),
    # in-place: after a roll-back the older image is the one that runs; the second attempt writes over it.
    Mutant(
        "overwrites-older-image", writers.OverwritesOlderImage, "the destination is the slot with the older version",
        "in-place", Campaign(attempts=2),
    ),
    # reverts: a cut in the self-test, and the image that proved nothing is entered again.
    Mutant(
        "committed-on-entry", CommittedOnEntry, "the entry is recorded as committed", "reverts", Campaign()
    ),
    # reverts: nothing ends a trial that hangs. A watchdog would, so this board has none.
    Mutant(
        "timer-not-armed", loaders.TimerNotArmed, "a trial does not arm the timer", "reverts",
        Campaign(board="unwatched", events=("hang",)),
    ),
    # durable: the committed image is reset when the time is up, however well it runs.
    Mutant(
        "timer-not-stopped", loaders.TimerNotStopped, "commit does not stop the timer", "durable",
        Campaign(events=("timer",)),
    ),
    # durable: the same omission where the timer can only be fed.
    Mutant(
        "timer-not-fed", loaders.TimerNotStopped, "commit does not begin to feed the timer", "durable",
        Campaign(board="unstoppable", events=("timer",)),
    ),
    # reverts: the record says old, the new image is entered a second time.
    Mutant(
        "roll-back-boots-new", loaders.RollBackBootsNew, "roll-back jumps to the active slot", "reverts", Campaign()
    ),
    # legal-flash: a sector that was not erased keeps its spent double words, and the controller refuses whatever goes
    # over them: a torn page, or the header. Where words can be programmed again only weak bits would show it.
    Mutant(
        "trusts-torn-pages", writers.TrustsTornPages, "the writer skips what is there already", "legal-flash",
        Campaign(board="ecc", tears="T1-coarse", attempts=2),
    ),
    # whole: an image whose last page is missing runs. The correct updater never leaves one, so the twin's does.
    Mutant(
        "crc-over-header-only", writers.CrcOverHeaderOnly, "the application's CRC is not compared", "whole",
        Campaign(), twin=writers.LateFlush,
    ),
    # reverts: a power cut empties RAM, and the image is entered as if for the first time.
    Mutant(
        "entered-in-ram", loaders.EnteredInRam, "the entry is remembered in retained RAM", "reverts",
        Campaign(events=("reset",)),
    ),
    # boots: one torn double word in a config copy, and every boot from then on ends in the fault handler.
    Mutant(
        "ecc-fault-unhandled", loaders.EccFaultUnhandled, "a config copy's read may fault", "boots",
        Campaign(board="ecc", tears="T1-coarse"),
    ),
    # durable: commit has returned, and the record was still to be written.
    Mutant(
        "commit-deferred", CommitDeferred, "commit's record is written by the next boot", "durable",
        Campaign(events=("reset",)),
    ),
    # reverts: one cut causes the roll-back, the second falls between its two steps, and the trial begins anew. Where
    # in-place is claimed that check is first; this board does not claim it, to see what the promise is good for.
    Mutant(
        "bad-record-first", loaders.BadRecordFirst, "roll-back erases the newest record, then writes", "reverts",
        Campaign(board="unclaimed", depth=2),
    ),
    # reverts: as the name says; one cut in the self-test.
    Mutant(
        "power-cut-forgiven", loaders.PowerCutForgiven, "a power cut does not count as a failed trial", "reverts",
        Campaign(),
    ),
    # retries: the old image runs with a pending config, under which no update may begin.
    Mutant(
        "roll-back-not-recorded", loaders.RollBackNotRecorded, "roll-back writes no record", "retries", Campaign()
    ),
    # wear: the entry's record was torn, and writing it again takes five erases.
    Mutant(
        "erases-torn-copies", writers.ErasesTornCopies, "a torn copy is erased five times", "wear",
        Campaign(tears="T1-coarse"),
    ),
    # boots: a settled device is reset by its own timer, boots, settles, and is reset again, for ever.
    Mutant(
        "timer-always-armed", TimerAlwaysArmed, "every boot arms the timer", "boots", Campaign(),
    ),
    # reverts: a torn commit record leaves "entered", and that is taken for a first boot.
    Mutant(
        "tries-again", TriesAgain, "an entered image whose commit was cut short is tried again", "reverts",
        Campaign(tears="T1-coarse"),
    ),
    # in-place: only the update that follows a torn record meets the mistake, so only a judged retry shows it.
    Mutant(
        "updater-prefers-valid-copy", writers.UpdaterPrefersValidCopy, "the updater writes over the copy that reads",
        "in-place", Campaign(tears="T1-coarse"),
    ),
    # reverts: between the timer's stop and the record the image is uncommitted, and nothing ends a hang.
    Mutant(
        "timer-stopped-first", loaders.TimerStoppedFirst, "commit stops the timer before it writes", "reverts",
        Campaign(board="unwatched", events=("hang",)),
    ),
)  # fmt: skip
