"""Stretches that are executed elsewhere, before somebody comes there.

A campaign goes from state to state, in one order, and what it finds decides where it goes. But it can be told where it
will most likely come next: what stands in the same batch, and what a walk that waits will ask for. Those stretches are
put into the stream of an engine; when the campaign comes there, the run is taken, or waited for. What was executed in
vain is forgotten. So neither who executed nor how far ahead can be told from the result.

States that may turn out to behave alike (they leave what is known at the same place) wait at a *gate*: one is executed,
and most of the others are then recognised. Those that leave it elsewhere have to be executed, whatever comes of it.

Neighbours: `runner` asks for runs, `cache` knows what needs none, `post` makes parcels of states and runs. Knows no
walk: who expects what, it is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from emu.campaign.cache import Piece, RunCache
from emu.campaign.engines import Died, Engine, Listener, Raised
from emu.campaign.parcels import Lacks
from emu.campaign.post import Post
from emu.clock import Stopwatch
from emu.rig import DeviceState, Rig, Run

PER_JOB = 12
"""Stretches under way, for each worker: enough that none waits while the campaign does something else."""
LOOK_EVERY_S = 0.002
KEPT_PER_JOB = 64
"""Runs nobody has asked for that are kept, for each worker."""
LATER_PER_JOB = 1024
"""Stretches, for each worker, that were begun because they come later for certain, and wait to be asked for: with so
many no other session is begun for that reason."""

Asked = tuple[DeviceState, str | None]
"""A state, and what weak cells read as."""
_Key = tuple[bytes, str | None]


class Deadly(Exception):
    """Nobody lives to tell what happens from a state: every worker ends that executes it, by ``how``."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


@dataclass(eq=False, slots=True)
class _Track:
    """A session that is expected. ``state``: where it stands by what is known; ``sent``: what was put for it.
    ``is_guess``: nobody has said that it comes for certain; ``is_later``: it does, after all that stands in a batch;
    ``is_over``: it was come to."""

    state: DeviceState
    resolution: str | None
    is_guess: bool = False
    is_later: bool = False
    is_over: bool = False
    sent: list[_Sent] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Sent:
    """A stretch under way, or done. ``followers``: tracks that go on from its end."""

    key: _Key
    state: DeviceState
    resolution: str | None
    gate: int | None
    is_later: bool = False
    run: Run | Died | Raised | None = None
    was_used: bool = False
    followers: list[_Track] = field(default_factory=list)


class Ahead:
    """Executes on ``engine`` what ``cache`` does not know. ``foresee``: where the campaign may come after all that
    stands in its batch, the likeliest first; ``later``: where it will come for certain, but not before that. Both are
    asked only when workers could do with it."""

    def __init__(self, rig: Rig, cache: RunCache, engine: Engine) -> None:
        self._cache = cache
        self._stream = engine.stream()
        self._post = Post(rig, engine.jobs, is_whole=not cache.is_enabled)
        self._most = PER_JOB * engine.jobs
        self._kept = KEPT_PER_JOB * engine.jobs
        self._most_later = LATER_PER_JOB * engine.jobs
        self._numbers: dict[int, _Sent] = {}
        self._sent: dict[_Key, _Sent] = {}
        self._deadly: dict[_Key, str] = {}
        self._gates: dict[int, deque[_Track]] = {}
        self._ready: deque[_Track] = deque()
        self._batch: deque[_Track] = deque()
        self._since = Stopwatch()
        self._reach = engine.jobs
        self._unused = self._later = 0
        self.foresee: Callable[[], Asked | None] = lambda: None
        self.later: Callable[[], Asked | None] = lambda: None

    def expect(self, asked: Sequence[Asked]) -> Iterator[None]:
        """These sessions come next, in order. Advance it whenever one of them is done with: how many of the next ones
        are begun depends on how many of the last ones were begun in vain."""
        tracks = [_Track(state, resolution) for state, resolution in asked]
        self._batch = deque(tracks)
        self._unused = 0
        for track in tracks:
            yield
            track.is_over = True
            vain = [sent for sent in track.sent if not sent.was_used]
            self._unused -= len(track.sent)
            if vain:
                self._reach = max(1, self._reach // 2)
            elif track.sent:
                self._reach = min(self._most, self._reach + 1)

    def run(self, state: DeviceState, resolution: str | None, listener: Listener) -> Run:
        """What happens from a state. Raises Deadly, what the work raises, and what ``listener`` does."""
        key = (state.key, resolution)
        if key in self._deadly:
            raise Deadly(self._deadly[key])
        sent = self._sent.get(key)
        if sent is None:
            gate = self._foreseen(state, resolution)
            assert not isinstance(gate, Piece), "what is known is asked for: please report"
            sent = self._put(key, state, resolution, gate, is_urgent=True)
        while sent.run is None:
            self._go_on(listener)
        sent.was_used = True
        if self._sent.get(key) is sent:  # it may just have been the oldest
            self._drop(sent)
        if isinstance(sent.run, Raised):
            sent.run.again()
        if isinstance(sent.run, Died):
            raise Deadly(sent.run.how)
        return sent.run

    def go_on(self) -> None:
        """Take in what is done, and give workers more. Never waits; asked too often, it does nothing."""
        if self._since.seconds > LOOK_EVERY_S:
            self._since = Stopwatch()
            self._go_on(None)

    def close(self) -> None:
        """Nobody asks any more."""
        self._stream.close()

    # -- inside --------------------------------------------------------------------------------------------

    def _go_on(self, listener: Listener | None) -> None:
        self._fill()
        for number, answer in self._stream.collect(listener):
            self._heed(self._numbers.pop(number), answer)
        self._fill()

    def _heed(self, sent: _Sent, answer: object) -> None:
        if isinstance(answer, Lacks):
            self._post_it(sent, is_urgent=True, plain=True)
            return
        sent.run = answer if isinstance(answer, Died | Raised) else self._post.opened(sent.state, answer)
        if isinstance(sent.run, Died):
            self._deadly[sent.key] = sent.run.how
        self._ready += sent.followers
        sent.followers.clear()

    def _fill(self) -> None:
        """Put stretches as long as workers could do with them."""
        while len(self._numbers) < self._most:
            track = self._next()
            if track is None:
                return
            self._advance(track)

    def _next(self) -> _Track | None:
        while self._ready:
            track = self._ready.popleft()
            if not track.is_over:
                return track
        while self._batch and self._batch[0].is_over:
            self._batch.popleft()
        if self._batch and self._unused < self._reach:
            return self._batch.popleft()
        asked = self.foresee()
        if asked is not None:
            return _Track(*asked, is_guess=True)
        asked = self.later() if self._later < self._most_later else None
        return None if asked is None else _Track(*asked, is_later=True)

    def _advance(self, track: _Track) -> None:
        """Follow a session by what is known, up to the first stretch that somebody has to execute."""
        while True:
            key = (track.state.key, track.resolution)
            sent = self._sent.get(key)
            if sent is not None and sent.run is None:
                sent.followers.append(track)
                return
            run = None if sent is None else sent.run
            if run is None and key not in self._deadly:
                found = self._foreseen(track.state, track.resolution)
                if not isinstance(found, Piece):
                    self._begin(key, track, found)
                    return
                run, end = found.run, self._cache.end_of(found)
            elif isinstance(run, Run):
                end = run.end
            if not isinstance(run, Run) or run.outcome.kind != "waypoint":
                return
            track.state = end

    def _foreseen(self, state: DeviceState, resolution: str | None) -> Piece | int | None:
        """The stretch from ``state``; where none is known, its gate, if it has one."""
        return self._cache.foreseen(state, resolution) if self._cache.is_enabled else None

    def _begin(self, key: _Key, track: _Track, gate: int | None) -> None:
        if gate in self._gates:
            self._gates[gate].append(track)
            return
        sent = self._put(key, track.state, track.resolution, gate, is_later=track.is_later)
        track.sent.append(sent)
        sent.followers.append(track)
        self._unused += not (track.is_guess or track.is_later)

    def _put(
        self, key: _Key, state: DeviceState, resolution: str | None, gate: int | None, *, is_urgent: bool = False,
        is_later: bool = False,
    ) -> _Sent:  # fmt: skip
        sent = self._sent[key] = _Sent(key, state, resolution, None if gate in self._gates else gate, is_later)
        self._later += is_later
        if sent.gate is not None:
            self._gates[sent.gate] = deque()
        self._post_it(sent, is_urgent=is_urgent)
        if len(self._sent) - self._later > self._kept:
            kept = (each for each in self._sent.values() if each.run is not None and not each.is_later)
            oldest = next(kept, None)
            if oldest is not None:
                self._drop(oldest)
        return sent

    def _post_it(self, sent: _Sent, *, is_urgent: bool, plain: bool = False) -> None:
        item = self._post.item(sent.state, sent.resolution, plain=plain)
        self._numbers[self._stream.put(item, is_urgent=is_urgent)] = sent

    def _drop(self, sent: _Sent) -> None:
        """Its run is in use, or forgotten: whoever waited at its gate may look again."""
        del self._sent[sent.key]
        self._later -= sent.is_later
        if sent.gate is not None:
            self._ready += self._gates.pop(sent.gate)
