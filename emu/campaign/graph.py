"""The graph of a closure: states that stand for others, and the edges between them, with what each future looks at.

A `Node` is a state at a reset that was, or is going to be, run. A `Stop` is a place in a session from which edges were
made once, for every session that comes by in the same state with the same journal before it. A `Link` says that an edge
leads to a state for which a node stands: the state differs from the node's in units that no future looks at.

Live sets only grow. A link, or a claim that a span of operations changes nothing anybody looks at, was true when it was
made; the graph tells which stops have to be walked again because a live set has grown since.

Neighbours: `walk` makes links, `closure` runs nodes. Knows units and monitors; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from emu.campaign.cache import Session
from emu.campaign.judge import Judged
from emu.campaign.monitor import Monitor
from emu.campaign.space import Print, Space, Units, bits_of
from emu.campaign.workload import Workload
from emu.rig import DeviceState
from flash.snapshot import Snapshot

Mode = Literal["cut", "uncut"]
"""Whether edges are made from a state, or only its uncut life is followed (the update that `retries` asks for)."""

Kind = tuple[object, ...]
"""What two states must have in common before their flash is compared."""


@dataclass(frozen=True, slots=True)
class Birth:
    """How a node was first met: from session number ``reading`` of ``parent``, by ``how`` at ``entry``; "": it ended
    there by itself."""

    parent: Node
    reading: int
    entry: int
    how: str


def resets_before(birth: Birth | None, mode: Mode) -> int:
    """Resets since the last interruption on a path that ends so; the update that `retries` asks for begins anew."""
    if birth is None or birth.how or birth.parent.mode != mode:
        return 0
    return birth.parent.resets + 1


@dataclass(eq=False, slots=True, repr=False)
class Node:
    """A state that stands for all that agree with it on ``live``.

    ``sessions``: what happens from it, once for each resolution of weak cells that makes a difference, each with its
    ``detours``. ``cuts``: fewest
    interruptions it is known to take; ``resets``: fewest since the last of them, on any path that is known.
    ``asks_retry``: the update that `retries` asks for begins here. ``killed_by``: how the worker ended that ran it; it
    has no sessions then.
    """

    number: int
    state: DeviceState
    monitor: Monitor
    mode: Mode
    prints: Print
    cuts: int
    resets: int
    birth: Birth | None
    sessions: list[Session] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    resolutions: list[str | None] = field(default_factory=list)
    first: list[Stop] = field(default_factory=list)
    ends: list[Link | None] = field(default_factory=list)
    detours: list[list[Link]] = field(default_factory=list)
    live: Units = 0
    footprint: Units = 0
    is_abandoned: bool = False
    killed_by: str = ""
    asks_retry: bool = False
    group: _Group | None = None
    key: bytes = b""
    generation: int = 0
    links_in: list[Link] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    @property
    def was_run(self) -> bool:
        return bool(self.sessions)

    @property
    def is_given_up(self) -> bool:
        """Whether nobody knows what follows, because too many resets came before. In a life of the update that
        `retries` asks for that is a finding of its own."""
        return self.is_abandoned and not self.killed_by and self.mode == "cut"

    @property
    def kind(self) -> Kind:
        state = self.state
        return (state.cause, state.attempts_left, state.ram, state.outside, state.plan, self.monitor, self.mode)


@dataclass(eq=False, slots=True, repr=False)
class Stop:
    """A place in a session: before entry ``entry`` of its piece ``piece``, in a state with ``memory``.

    ``workload`` is what events had made of it. Edges are made from here up to and with the first operation that may
    touch something live, then comes ``next``, ``length`` entries further on; ``kills``: what was settled on the way.
    ``generation`` counts how often it was walked. ``node``: the node whose session ``reading`` first came by.
    """

    session: Session
    judged: Judged
    piece: int
    entry: int
    memory: tuple[Snapshot, ...]
    prints: Print
    workload: Workload
    node: Node
    reading: int
    links: list[Link] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    breaches: list[EdgeBreach] = field(default_factory=list)
    next: Stop | None = None
    length: int = 0
    kills: Units = 0
    generation: int = 0
    is_done: bool = False
    live: Units = 0
    users: list[Stop | Node] = field(default_factory=list)

    @property
    def at(self) -> int:
        """The entry of the session."""
        return self.session.pieces[self.piece].offset + self.entry


@dataclass(frozen=True, slots=True)
class EdgeBreach:
    """What an edge breaks by itself, whatever follows: ``entry`` entries behind the beginning of its stop."""

    entry: int
    how: str
    check: str
    message: str
    outcome: str


@dataclass(eq=False, slots=True, repr=False)
class Link:
    """An edge, ``entry`` entries behind the beginning of its owner, to a state for which ``target`` stands.

    ``agrees``: units known to hold the same in both. ``reach`` and ``inputs`` of the torn operation, 0 for a clean cut;
    ``killed``: what was settled before it. ``is_new``: the edge is the one that made the target.
    """

    owner: Stop | Node
    entry: int
    how: str
    kind: str
    target: Node
    agrees: Units
    reach: Units
    inputs: Units
    killed: Units
    is_new: bool
    generation: int

    @property
    def is_current(self) -> bool:
        """Whether its owner has not been walked again since."""
        return self.generation == self.owner.generation

    @property
    def is_true(self) -> bool:
        """Whether the target stands for the state, as far as anybody looks by now."""
        return not self.target.live & ~self.agrees

    @property
    def needs(self) -> Units:
        """What the state before the edge must hold for the target to be what it is, as far as anybody looks."""
        live = self.target.live
        if self.reach & live:
            live |= self.inputs
        return live & ~self.killed


@dataclass(frozen=True, slots=True)
class Head:
    """The node that stands for an interruption ``how`` at a point."""

    how: str
    node: Node


@dataclass(frozen=True, slots=True)
class Span:
    """Entries first..stop-1 of ``piece``, ``offset`` entries behind the beginning of their stop. Their edges lead to
    the states for which ``heads`` stand: they touch nothing live."""

    piece: int
    first: int
    stop: int
    offset: int
    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A span may touch ``reach``: it must stay clear of its heads' live sets."""

    owner: Stop
    reach: Units
    generation: int


@dataclass(eq=False, slots=True, repr=False)
class _Group:
    """Nodes of one kind that are compared on one set of units."""

    units: Units
    bits: frozenset[int]
    table: dict[bytes, Node] = field(default_factory=dict)


class Graph:
    """All nodes and stops. ``merges`` False: a node stands for its exact state only."""

    def __init__(self, space: Space, *, merges: bool) -> None:
        self.nodes: list[Node] = []
        self.stops: dict[object, Stop] = {}
        self._space = space
        self._merges = merges
        self._groups: dict[Kind, dict[Units, _Group]] = {}
        self._exact: dict[Kind, dict[bytes, Node]] = {}
        self.stale: dict[Stop | Node, None] = {}

    # -- states --------------------------------------------------------------------------------------------

    def find(self, kind: Kind, prints: Print) -> tuple[Node, Units] | None:
        """The node that stands for a state, as far as is known, and units in which it is known to hold the same."""
        exact = self._exact.get(kind)
        found = None if exact is None else exact.get(prints.whole)
        if found is not None:
            return found, self._space.everything
        for group in self._groups.get(kind, {}).values():
            found = group.table.get(prints.on(group.units, group.bits))
            if found is not None:
                return found, group.units
        return None

    def add(self, state: DeviceState, monitor: Monitor, mode: Mode, prints: Print, birth: Birth | None) -> Node:
        """A new node, to be run."""
        cuts = 0 if birth is None else birth.parent.cuts + bool(birth.how)
        node = Node(len(self.nodes), state, monitor, mode, prints, cuts, resets_before(birth, mode), birth)
        self.nodes.append(node)
        if not self._merges:
            node.live = node.footprint = self._space.everything
        self._exact.setdefault(node.kind, {})[prints.whole] = node
        return node

    def was_run(self, node: Node, footprint: Units) -> None:
        """From now on ``node`` stands for every state that agrees with it on what its sessions looked at."""
        node.footprint |= footprint
        if self._merges:
            self._file(node, node.live)
            self._grow(node, node.footprint)

    def sooner(self, node: Node, resets: int) -> Iterator[Node]:
        """``node`` takes ``resets`` on another path. Yields what follows it and was given up because of longer ones."""
        waiting = [(node, resets)]
        while waiting:
            here, resets = waiting.pop()
            if resets >= here.resets:
                continue
            here.resets = resets
            if here.is_abandoned:
                here.is_abandoned = False
                yield here
            waiting += [(end.target, resets + 1) for end in here.ends if end is not None and end.kind == "end"]

    def abandon(self, node: Node) -> None:
        """``node`` is not going to be run: nobody knows what its future looks at, so it may be everything."""
        node.is_abandoned = True
        self._grow(node, self._space.everything)

    # -- edges ---------------------------------------------------------------------------------------------

    def link(self, link: Link) -> None:
        """Record an edge: its owner looks at what its target looks at."""
        if isinstance(link.owner, Stop):
            link.owner.links.append(link)
        link.target.links_in.append(link)
        self._grow(link.owner, link.needs)
        if not link.is_true:
            self._spoil(link.owner)

    def claim(self, stop: Stop, span: Span, reach: Units) -> None:
        """Record a span that changes nothing its heads look at."""
        stop.spans.append(span)
        for head in span.heads:
            head.node.claims.append(Claim(stop, reach, stop.generation))
            if reach & head.node.live:
                self._spoil(stop)

    def chain(self, stop: Stop, following: Stop, length: int, kills: Units) -> None:
        """``following`` comes after ``stop``."""
        stop.next, stop.length, stop.kills = following, length, kills
        following.users.append(stop)
        self._grow(stop, following.live & ~kills)

    def begin(self, node: Node, stop: Stop) -> None:
        """``stop`` is where a session of ``node`` begins."""
        node.first.append(stop)
        stop.users.append(node)
        self._grow(node, stop.live)

    def comes_by(self, stop: Stop) -> set[Node]:
        """The nodes whose sessions come by ``stop``."""
        found: set[Node] = set()
        waiting: list[Stop | Node] = [stop]
        while waiting:
            here = waiting.pop()
            if isinstance(here, Stop):
                waiting += here.users
            else:
                found.add(here)
        return found

    def looks_at(self, stop: Stop, units: Units) -> None:
        """Something about an edge of ``stop`` was decided by ``units``, besides what follows it."""
        self._grow(stop, units)

    def reset(self, stop: Stop) -> None:
        """``stop`` is about to be walked again: what was recorded of it counts no more."""
        stop.generation += 1
        stop.links, stop.spans, stop.breaches = [], [], []
        stop.next, stop.length, stop.kills, stop.is_done = None, 0, 0, False
        self.stale.pop(stop, None)

    # -- live sets -----------------------------------------------------------------------------------------

    def _grow(self, owner: Stop | Node, units: Units) -> None:
        """``owner`` looks at ``units`` too; and so does everything that leads to it."""
        if not self._merges:
            return
        waiting: list[tuple[Stop | Node, Units]] = [(owner, units)]
        while waiting:
            here, more = waiting.pop()
            if not more & ~here.live:
                continue
            if isinstance(here, Stop):
                here.live |= more
                for user in here.users:
                    waiting.append((user, here.live if isinstance(user, Node) else here.live & ~user.kills))
                continue
            self._file(here, here.live | more)
            for claim in here.claims:
                if claim.reach & here.live and claim.generation == claim.owner.generation:
                    self._spoil(claim.owner)
            for link in here.links_in:
                if link.is_current:
                    if not link.is_true:
                        self._spoil(link.owner)
                    waiting.append((link.owner, link.needs))

    def _spoil(self, owner: Stop | Node) -> None:
        """Something recorded of ``owner`` is no longer true."""
        self.stale[owner] = None

    def _file(self, node: Node, live: Units) -> None:
        """Put ``node`` where states that agree with it on ``live`` are found."""
        node.live = live
        if not node.was_run:
            return
        if node.group is not None and node.group.table.get(node.key) is node:
            del node.group.table[node.key]
        groups = self._groups.setdefault(node.kind, {})
        group = groups.get(live)
        if group is None:
            group = groups[live] = _Group(live, frozenset(bits_of(live)))
        node.group, node.key = group, node.prints.on(group.units, group.bits)
        group.table.setdefault(node.key, node)
