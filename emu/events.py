"""The events a session's journal carries besides flash operations: the vocabulary rigs and campaigns share.

| event | facts | meaning |
|---|---|---|
| decided | rule, slot (-1: none), why | the bootloader has decided |
| handover | slot, image, trial | an image is entered; ``image`` is found by comparing bytes |
| attempt | | an update attempt begins |
| staged | | the updater said the new image boots next |
| refused | message | the updater refused |
| merged | count | the files of the old slot's filesystem were carried over, ``count`` of them |
| merge-failed | reason | they could not be; the application restarts without a commit |
| files | slot, image, files, problem | at a settled end, found by looking at the cells: see `emu.rig.Files` |
| commit-begun, commit-returned | | around the application's call of commit |
| timer-armed (seconds), timer-stopped, timer-fed | | what the commit timer is doing from here on |
| retained | key, value | retained RAM was written |
| offered | key, value | from here on ``key`` may hold ``value``: somebody asked for it |
| told | key, value | the firmware told its user what ``key`` holds: from here on nothing else will do |
| said | port, line | a line of text has left the device |
| frame | sender, what it is, what the network does to it | a frame is sent; ``sender`` is "peer" or "device" |
| outside | value | what `DeviceState.outside` is from here on |
| claimed | what, backed | the other side takes it that the update is `APPLIED`, or `KEPT`; backed: flash named the
new image as the one to run next when the device sent what led to it |
| note | text | a line for the reader |

Neighbours: rigs write them, `campaign` reads them. Knows nothing else.
"""

from __future__ import annotations

from typing import Final

DECIDED, HANDOVER = "decided", "handover"
ATTEMPT, STAGED, REFUSED = "attempt", "staged", "refused"
COMMIT_BEGUN, COMMIT_RETURNED = "commit-begun", "commit-returned"
MERGED, MERGE_FAILED, FILES = "merged", "merge-failed", "files"
ARMED, STOPPED, FED = "timer-armed", "timer-stopped", "timer-fed"
RETAINED = "retained"
OFFERED, TOLD = "offered", "told"
SAID = "said"
FRAME, OUTSIDE, CLAIMED = "frame", "outside", "claimed"
NOTE = "note"

APPLIED, KEPT = "applied", "kept"
"""What the other side takes for granted: the new image is going to run; it runs, and stays."""

DETOURS: Final = ("frame-lost", "frame-doubled", "frame-late", "link-stalled", "link-broken")
"""What a network does to a frame instead of carrying it, and to the link with it."""

OLD, NEW, UNKNOWN = "old", "new", "unknown"
"""What a hand-over says about the image: one of the two known ones, byte for byte, or none."""

COMMIT_TIMER: Final = "commit-timer"
WATCHDOG: Final = "watchdog"
HANG: Final = "hang"
"""As the cause of an interruption: the firmware stands still, and what a timer does about it follows."""
