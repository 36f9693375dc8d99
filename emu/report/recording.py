"""A replayed token in device time: its sessions one after another, as what a logic analyser would have seen.

The first session begins at 0. Where power goes, the rail stays low for `OFF_US` before the next one begins; how long
it does in the field is in no model. A reset that is no power loss takes no time. An operation that was torn ends where
power went: at the tear's progress, or in its middle where a tear has none.

Neighbours: `campaign.replay` has the facts, `vcd` and `perfetto` write them down. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from emu.campaign.edges import tears_in
from emu.campaign.replay import Session, Story
from emu.events import ARMED, FED, HANDOVER, OUTSIDE, STOPPED
from emu.report.story import event_words, interruption_words
from flash.geometry import Geometry
from flash.journal import Event, Misuse, Operation
from flash.tears.progress import progress_of

OFF_US = 1000
"""How long the rail is low after a cut: long enough to be seen, and nothing else depends on it."""


@dataclass(frozen=True, slots=True)
class Power:
    """One session: what reset it, when it began and ended, how it ended. ``lost``: the rail falls at its end."""

    number: int
    cause: str
    start_us: int
    end_us: int
    outcome: str
    lost: bool


@dataclass(frozen=True, slots=True)
class Work:
    """One flash operation. ``entry`` counts from 0 in its session; ``tear``: what it was cut short by, "": nothing."""

    session: int
    entry: int
    chip: str
    kind: str
    address: int
    length: int
    start_us: int
    end_us: int
    tear: str


@dataclass(frozen=True, slots=True)
class Running:
    """An image that was entered, until its session ended."""

    slot: str
    image: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Span:
    """Any other stretch of time."""

    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that took no time, in words."""

    time_us: int
    session: int
    what: str


@dataclass(slots=True)
class Recording:
    """All of it, each list in the order of time but for ``works``: those stand in the order in which they end."""

    chips: tuple[str, ...]
    powers: list[Power] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    images: list[Running] = field(default_factory=list)
    timers: list[Span] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)

    @property
    def end_us(self) -> int:
        return self.powers[-1].end_us if self.powers else 0


def record(story: Story, geometries: Mapping[str, Geometry]) -> Recording:
    """``story`` as a recording. ``geometries``: of the chips, by name."""
    found = Recording(tuple(geometries))
    begin = 0
    for number, session in enumerate(story.sessions):
        follows = story.sessions[number + 1].state.cause if number + 1 < len(story.sessions) else ""
        end = begin + _end_us(session, geometries)
        lost = session.run.outcome.kind == "cut" or follows == "power"
        outcome = str(session.run.outcome) if session.step is None else interruption_words(session, session.step)
        found.powers.append(Power(number + 1, session.state.cause, begin, end, outcome, lost))
        found.works += _works(session, number + 1, begin, end)
        found.images += _images(session, begin, end)
        found.timers += _armed(session, begin, end)
        found.happened += _happened(session, number + 1, begin, end)
        begin = end + (OFF_US if lost else 0)
    return found


def _end_us(session: Session, geometries: Mapping[str, Geometry]) -> int:
    """When the session ended, in microseconds since its reset."""
    torn, step = session.torn, session.step
    if torn is None or step is None:
        return session.run.end_us
    operation = torn.operation
    tear = tears_in(step.how)[0]
    assert tear is not None, "an operation that was torn by nothing: please report"
    progress = progress_of(tear, operation, geometries[operation.device])
    share = 0.5 if progress is None else progress
    return max(session.run.end_us, operation.start_us + round(share * (operation.end_us - operation.start_us)))


def _works(session: Session, number: int, begin: int, end: int) -> Iterator[Work]:
    for index, entry in enumerate(session.run.entries):
        if isinstance(entry, Operation):
            tear = "" if entry.tear is None else entry.tear.name
            yield _work(entry, number, index, tear, begin, begin + entry.end_us)
    if session.torn is not None and session.step is not None:
        yield _work(session.torn.operation, number, session.step.entry, session.step.how, begin, end)


def _work(operation: Operation, session: int, entry: int, tear: str, begin: int, end: int) -> Work:
    return Work(
        session, entry, operation.device, operation.kind, operation.address, operation.length,
        begin + operation.start_us, end, tear,
    )  # fmt: skip


def _images(session: Session, begin: int, end: int) -> Iterator[Running]:
    entered = [e for e in session.run.entries if isinstance(e, Event) and e.name == HANDOVER]
    for event, following in zip(entered, [*entered[1:], None], strict=False):
        until = end if following is None else begin + following.time_us
        yield Running(str(event.facts[0]), str(event.facts[1]), begin + event.time_us, until)


def _armed(session: Session, begin: int, end: int) -> Iterator[Span]:
    """When the commit timer was running, from arming until it was stopped or fed, or the session ended."""
    since: int | None = None
    for entry in session.run.entries:
        if not isinstance(entry, Event):
            continue
        if entry.name == ARMED and since is None:
            since = begin + entry.time_us
        elif entry.name in (STOPPED, FED) and since is not None:
            yield Span(since, begin + entry.time_us)
            since = None
    if since is not None:
        yield Span(since, end)


def _happened(session: Session, number: int, begin: int, end: int) -> Iterator[Happened]:
    for entry in session.run.entries:
        if isinstance(entry, Event) and entry.name != OUTSIDE:
            yield Happened(begin + entry.time_us, number, event_words(entry.name, entry.facts))
        elif isinstance(entry, Misuse):
            yield Happened(begin + entry.time_us, number, f"MISUSE {entry.message}")
    if session.step is not None:
        when = begin + session.struck_us if session.torn is None else end
        yield Happened(when, number, interruption_words(session, session.step))
