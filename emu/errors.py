"""How a user of the emulator can be wrong, as one tree. Each carries the exit code it ends the command with.

    Exception
    ├── UsageError (2)            what was asked for cannot be done: the message says what to change
    │   ├── BoardError            a board file that is missing, malformed or contradicts itself
    │   ├── RigFileError          the same for the description of a rig
    │   ├── ScenarioError         firmware and board do not go together
    │   ├── StoreError            the folder of past results cannot be used
    │   └── TokenError            a token of another version, or of other inputs
    ├── EngineLost (3)            nobody is left to do the work of a campaign
    ├── RigLost (3)               a board's switch or console has failed, not the board
    ├── LinkLost (3)              the way to a device is gone, or nobody at its end answers
    │   └── LinkRefused (1)       there is one, and the device does not let us in
    ├── NothingToRun (5)          the workload makes no flash operation
    └── MissingExtra (4)          an optional dependency; the message has the line that installs it

What a campaign finds is a value (`Finding`, `Verdict`), never one of these.
"""

from __future__ import annotations


class UsageError(Exception):
    exit_code = 2


class BoardError(UsageError):
    """A board description that cannot be used."""


class RigFileError(UsageError):
    """A rig description that cannot be used."""


class ScenarioError(UsageError):
    """Images, board and workload do not go together."""


class StoreError(UsageError):
    """A folder or file of past results that cannot be used."""


class TokenError(UsageError):
    """A token that cannot be replayed with these inputs."""


class EngineLost(Exception):
    """The workers of a campaign are gone and new ones do not start."""

    exit_code = 3


class RigLost(Exception):
    """The rig around a device has failed: its console, its relay, or what restores it."""

    exit_code = 3


class LinkLost(Exception):
    """No way to the device: it cannot be opened, it was closed, or what is at its end does not speak as it should."""

    exit_code = 3


class LinkRefused(LinkLost):
    """The device wants to know who is there, and does not know us."""

    exit_code = 1


class NothingToRun(Exception):
    """The uncut workload makes no flash operation: there is nothing to cut."""

    exit_code = 5


class MissingExtra(Exception):
    """An optional dependency is not installed."""

    exit_code = 4
