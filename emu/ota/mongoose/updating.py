"""An update as the vendor's command line client does it, step by step, over any link that keeps frames whole.

OTA.Status, which must say that nothing is going on; OTA.Begin; OTA.Write for each chunk, three tries of 20 s each;
OTA.End. A chunk that fails three times ends it: OTA.End, whatever comes of it, and the offset is told. Waiting for the
restart and OTA.Commit are ours, and only done when asked for.

The state of an update is a value (`Update`), what it is about another one that never changes (`Order`): a campaign can
explore what lost, doubled and late frames do to it. `Updating` is the machine `session` runs.

Neighbours: `client` makes the calls. Knows no link, no file and no clock.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from emu.ota.mongoose.client import Answered, Outcome, Refused, RpcClient, Turn, Unanswered
from emu.ota.mongoose.jsontext import quoted

CHUNK_SIZE = 512
TRIES = 3
CALL_TIMEOUT_S, UPDATE_TIMEOUT_S, COMMIT_TIMEOUT_S, REBOOT_TIMEOUT_S = 20, 600, 300, 60
POLL_EVERY_US, POLL_TIMEOUT_US = 500_000, 2_000_000
IDLE, ERROR = 0, 2
"""Of OTA.Status: the states in which an update may begin, and those of a device that has restarted."""
NO_METHOD = 404
CALL_DRAWS = 2
"""A call draws an id, and another one where it has to be sent again with credentials."""


@dataclass(frozen=True)
class Order:
    """What is to be done. ``archive`` is pushed; without one the device is told to fetch ``url``.

    ``begin``: params of OTA.Begin, or of OTA.Update, as JSON text. ``reboot_timeout_us``: how long to wait for the
    device to come back with the new image; 0: not at all. ``commits``: OTA.Commit when it has.
    """

    archive: bytes
    begin: str
    url: str = ""
    chunk_size: int = CHUNK_SIZE
    tries: int = TRIES
    timeout_us: int = CALL_TIMEOUT_S * 1_000_000
    pull_timeout_us: int = UPDATE_TIMEOUT_S * 1_000_000
    reboot_timeout_us: int = 0
    commits: bool = False


def begin_params(size: int, *, timeout_s: int = UPDATE_TIMEOUT_S, commit_timeout_s: int = COMMIT_TIMEOUT_S) -> str:
    """Params of OTA.Begin."""
    return f'{{"timeout":{timeout_s},"commit_timeout":{commit_timeout_s},"size":{size}}}'


def pull_params(url: str, *, timeout_s: int = UPDATE_TIMEOUT_S, commit_timeout_s: int = COMMIT_TIMEOUT_S) -> str:
    """Params of OTA.Update; GEN-1 does not look at ``timeout``."""
    return f'{{"url":{quoted(url)},"timeout":{timeout_s},"commit_timeout":{commit_timeout_s}}}'


class Step(Enum):
    """What is waited for. The value is what a progress bar says."""

    ASKING = "asking for its state"
    BEGINNING = "beginning"
    WRITING = "writing"
    ENDING = "applying"
    PULLING = "the device fetches it"
    GIVING_UP = "giving up"
    WAITING = "waiting for its restart"
    COMMITTING = "committing"
    DONE = "done"
    FAILED = "failed"


class Failure(Struct, frozen=True):
    """``refused``: the device said no, with ``code``, or came back with another image; else nobody knows what it
    did."""

    message: str
    refused: bool
    code: int = 0


class Update(Struct, frozen=True):
    """Where an update is. ``offset``: of the chunk that is being written; ``tries``: it has had; ``repeated``: chunks
    sent again, in all; nothing depends on it. ``asked``: calls since the update was applied. ``is_applied``: OTA.End
    was answered without an error. ``partition``: active before, -1 where the device does not say. ``is_committed`` and
    ``commit_timeout_s``: what the device said when it was back."""

    client: RpcClient
    step: Step = Step.ASKING
    call: str = ""
    offset: int = 0
    tries: int = 0
    repeated: int = 0
    asked: int = 0
    refusal: str = ""
    message: str = ""
    is_applied: bool = False
    partition: int = -1
    poll_us: int | None = None
    give_up_us: int | None = None
    heard: str = ""
    is_committed: bool | None = None
    commit_timeout_s: int = 0
    failure: Failure | None = None


Move = tuple[Update, tuple[bytes, ...]]


@dataclass(frozen=True)
class Updating:
    """The machine: each event leads from one `Update` to the next and to frames to send."""

    order: Order

    def start(self, client: RpcClient, now_us: int) -> Move:
        return self._call(Update(client), Step.ASKING, "OTA.Status", "", now_us)

    def is_over(self, update: Update) -> bool:
        return update.step in (Step.DONE, Step.FAILED)

    def waits_for_link(self, update: Update) -> bool:
        """Whether a link that is gone may come back: chunks are tried again, and a restart takes links along."""
        return update.step in (Step.WRITING, Step.WAITING)

    def due_us(self, update: Update) -> int | None:
        times = [at for at in (update.client.due_us, update.poll_us, update.give_up_us) if at is not None]
        return min(times, default=None)

    def receive(self, update: Update, frame: bytes, now_us: int) -> Move:
        return self._after(update, update.client.receive(frame), now_us)

    def wake(self, update: Update, now_us: int) -> Move:
        if update.give_up_us is not None and now_us >= update.give_up_us:
            return self._not_back(update)
        if update.poll_us is not None and now_us >= update.poll_us:
            return self._poll(update, now_us)
        return self._after(update, update.client.wake(now_us), now_us)

    def lost(self, update: Update, now_us: int) -> Move:
        return self._after(update, update.client.lost(), now_us)

    def timed(self, update: Update, change: Callable[[int], int]) -> Update:
        """The same, with other times."""
        poll_us, give_up_us = (None if at is None else change(at) for at in (update.poll_us, update.give_up_us))
        return replace(update, client=update.client.timed(change), poll_us=poll_us, give_up_us=give_up_us)

    # -- steps ---------------------------------------------------------------------------------------------

    def _after(self, update: Update, turn: Turn, now_us: int) -> Move:
        """At most one call is out, so at most one outcome is this update's."""
        update = replace(update, client=turn.client)
        outcome = next((each for each in turn.outcomes if each.call == update.call), None)
        if outcome is None:
            return update, turn.frames
        return _AFTER[update.step](self, update, outcome, now_us)

    def _asked(self, update: Update, outcome: Outcome, now_us: int) -> Move:
        order = self.order
        if isinstance(outcome, Answered):
            status = _status(outcome)
            state = _whole(status, "state")
            if state not in (IDLE, ERROR):
                return _failed(update, f"an update is already in progress (state {state}); OTA.End ends it", True)
            update = replace(update, partition=_whole(status, "partition"))
        elif not (
            order.url and isinstance(outcome, Refused) and outcome.code == NO_METHOD
        ):  # GEN-1 has OTA.Update alone
            return _failed_call(update, "OTA.Status", outcome)
        if order.url:
            return self._call(update, Step.PULLING, "OTA.Update", order.begin, now_us, order.pull_timeout_us)
        return self._call(update, Step.BEGINNING, "OTA.Begin", order.begin, now_us)

    def _begun(self, update: Update, outcome: Outcome, now_us: int) -> Move:
        if isinstance(outcome, Answered):
            return self._write(update, now_us)
        return _failed_call(update, "OTA.Begin", outcome)

    def _written(self, update: Update, outcome: Outcome, now_us: int) -> Move:
        if isinstance(outcome, Answered):
            return self._write(
                replace(update, offset=update.offset + self.order.chunk_size, tries=0, refusal=""), now_us
            )
        if isinstance(outcome, Refused):
            update = replace(
                update, refusal=update.refusal or outcome.text
            )  # the first one says why, later ones follow
        if update.tries < self.order.tries:
            return self._write(replace(update, repeated=update.repeated + 1), now_us)
        failure = Failure(
            f"write failed at offset {update.offset}: {update.refusal or outcome.text}", bool(update.refusal)
        )
        return self._call(replace(update, failure=failure), Step.GIVING_UP, "OTA.End", "", now_us)

    def _gave_up(self, update: Update, outcome: Outcome, now_us: int) -> Move:
        return replace(update, step=Step.FAILED), ()

    def _ended(self, update: Update, outcome: Outcome, now_us: int) -> Move:
        """Without an answer the device may have taken the update; who waits for its restart finds out."""
        method = "OTA.Update" if self.order.url else "OTA.End"
        if isinstance(outcome, Refused):
            return _failed_call(update, method, outcome)
        if not self.order.reboot_timeout_us:
            if isinstance(outcome, Unanswered):
                text = f"{method}: {outcome.text}; the device may have taken the update: OTA.GetBootState tells"
                return _failed(update, text, False)
            return replace(update, step=Step.DONE, message=outcome.message, is_applied=True), ()
        if isinstance(outcome, Answered):
            update = replace(update, message=outcome.message, is_applied=True)
        return self._poll_later(replace(update, give_up_us=now_us + self.order.reboot_timeout_us), now_us)

    def _polled(self, update: Update, outcome: Outcome, now_us: int) -> Move:
        """A device that has not restarted yet says so, or refuses, or is silent: all that may pass."""
        if not isinstance(outcome, Answered):
            return self._poll_later(replace(update, heard=outcome.text), now_us)
        status = _status(outcome)
        state, partition = _whole(status, "state"), _whole(status, "partition")
        if state not in (IDLE, ERROR):
            return self._poll_later(replace(update, heard=f"it is in state {state}, {status.get('message')}"), now_us)
        committed = status.get("is_committed") is True
        update = replace(
            update, poll_us=None, is_committed=committed, commit_timeout_s=max(0, _whole(status, "commit_timeout"))
        )
        if -1 not in (update.partition, partition) and partition == update.partition:
            return _failed(update, f"the device runs the image it had: partition {partition} is still active", True)
        if committed or not self.order.commits:
            return replace(update, step=Step.DONE, give_up_us=None), ()
        return self._call(update, Step.COMMITTING, "OTA.Commit", "", now_us)

    def _committed(self, update: Update, outcome: Outcome, now_us: int) -> Move:
        if isinstance(outcome, Answered):
            return replace(update, step=Step.DONE, is_committed=True, give_up_us=None), ()
        if isinstance(outcome, Unanswered):  # it may have been done; the state tells
            return self._poll_later(replace(update, heard=outcome.text), now_us)
        return _failed_call(update, "OTA.Commit", outcome)

    # -- calls ---------------------------------------------------------------------------------------------

    def _write(self, update: Update, now_us: int) -> Move:
        at = update.offset
        chunk = self.order.archive[at : at + self.order.chunk_size]
        if not chunk:
            return self._call(update, Step.ENDING, "OTA.End", "", now_us)
        params = f'{{"offset":{at},"data":"{b64encode(chunk).decode()}"}}'
        return self._call(replace(update, tries=update.tries + 1), Step.WRITING, "OTA.Write", params, now_us)

    def _poll_later(self, update: Update, now_us: int) -> Move:
        return replace(update, step=Step.WAITING, call="", poll_us=now_us + POLL_EVERY_US), ()

    def _poll(self, update: Update, now_us: int) -> Move:
        update = replace(update, poll_us=None)
        return self._call(update, Step.WAITING, "OTA.Status", "", now_us, POLL_TIMEOUT_US)

    def _call(
        self, update: Update, step: Step, method: str, params: str, now_us: int, timeout_us: int | None = None
    ) -> Move:
        asked = update.asked + (step in (Step.WAITING, Step.COMMITTING))
        update = replace(update, step=step, asked=asked)
        client = update.client.drawing(CALL_DRAWS * self._number(update))
        client, call, frame = client.call(method, params, now_us, timeout_us or self.order.timeout_us)
        return replace(update, client=client, call=call), (frame,)

    def _number(self, update: Update) -> int:
        """Of the call that is made: another one for each, and the same wherever two updates are in the same place."""
        order = self.order
        chunks = -(-len(order.archive) // order.chunk_size)
        match update.step:
            case Step.ASKING:
                return 0
            case Step.BEGINNING | Step.PULLING:
                return 1
            case Step.WRITING:
                return 2 + update.offset // order.chunk_size * order.tries + update.tries
        after = 3 + chunks * order.tries
        return after + {Step.ENDING: 0, Step.GIVING_UP: 1}.get(update.step, 1 + update.asked)

    def _not_back(self, update: Update) -> Move:
        what = "was not back" if update.is_committed is None else "is back with another image, but was not committed,"
        text = f"the device {what} after {self.order.reboot_timeout_us / 1e6:g} s"
        return _failed(update, f"{text}: {update.heard}" if update.heard else text, False)


_AFTER: dict[Step, Callable[[Updating, Update, Outcome, int], Move]] = {
    Step.ASKING: Updating._asked,
    Step.BEGINNING: Updating._begun,
    Step.WRITING: Updating._written,
    Step.ENDING: Updating._ended,
    Step.PULLING: Updating._ended,
    Step.GIVING_UP: Updating._gave_up,
    Step.WAITING: Updating._polled,
    Step.COMMITTING: Updating._committed,
}


def _failed_call(update: Update, method: str, outcome: Refused | Unanswered) -> Move:
    refused = isinstance(outcome, Refused)
    return _failed(update, f"{method}: {outcome.text}", refused, outcome.code if isinstance(outcome, Refused) else 0)


def _failed(update: Update, message: str, refused: bool, code: int = 0) -> Move:
    return replace(update, step=Step.FAILED, poll_us=None, give_up_us=None, failure=Failure(message, refused, code)), ()


def _status(answer: Answered) -> dict[str, Any]:
    """What OTA.Status said; nothing where it is no object."""
    try:
        found = json.loads(answer.result)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _whole(status: dict[str, Any], name: str) -> int:
    """-1 for what is no whole number, as for what is not there."""
    value = status.get(name, -1)
    return value if type(value) is int else -1
