"""What every kind of fault has in common: its faults by name, the rig with one in it, and the judge of what follows.

A kind has one check of its own and leaves some of the board's out, each with its reason. Judging goes through `Judge`
as it does for power cuts; a kind adds what its own check says of a whole chain of sessions.

Neighbours: `campaign` goes through the faults of a kind, `retrace` follows one. Knows the rig's contract only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from emu.board import CheckEntry
from emu.campaign.applicable import chosen_checks
from emu.campaign.breach import Breach
from emu.campaign.checks import Check
from emu.campaign.faults.fault import Fault
from emu.campaign.faults.specimen import Specimen, VariedRig
from emu.campaign.golden import golden_chain
from emu.campaign.judge import Chain, Judge, State
from emu.campaign.monitor import Monitor
from emu.campaign.options import Options
from emu.campaign.verdict import Coverage
from emu.events import NEW, OLD
from emu.rig import DeviceState, Rig
from flash.cells import Cells
from flash.tears import TEAR_SETS

Amend = Callable[[State, Chain], Chain]
UNSTEADY = "faults leave no weak cells"
COARSE = TEAR_SETS["T1-coarse"]


@dataclass
class Ground:
    """What all kinds of one campaign share. ``options``: of the campaign; its seed draws faults. ``cover``: counts what
    was run and judged."""

    specimen: Specimen
    bounds: CheckEntry
    options: Options
    cover: Coverage = field(default_factory=Coverage)

    @cached_property
    def checks(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """The board's checks, and those that mean nothing here."""
        keeps_new = self.options.keeps_new
        return chosen_checks(self.specimen.rig, self.bounds, keeps_new=keeps_new, unsteady=UNSTEADY)

    def changed(self, state: DeviceState, chip: int, change: Callable[[Cells], None]) -> DeviceState:
        """``state`` after ``change`` was done to the cells of one chip."""
        cells = self._bench[chip]
        cells.restore(state.memory[chip])
        change(cells)
        memory = list(state.memory)
        memory[chip] = cells.snapshot()
        return replace(state, memory=tuple(memory))

    @cached_property
    def _bench(self) -> list[Cells]:
        return self.specimen.rig.bench_cells()

    @cached_property
    def judge(self) -> Judge:
        """Of the device without a fault, its next update included."""
        return Judge(self.specimen.rig, self.bounds, checks=self.checks[0], cache=True, cover=self.cover)

    @cached_property
    def golden(self) -> Chain:
        """The uncut life without a fault. Raises ScenarioError when it does not end as it should."""
        root = State(self.specimen.rig.initial(1), Monitor())
        return golden_chain(self.judge, root, self.options, self.cover, self.specimen.rig)

    @cached_property
    def end(self) -> DeviceState:
        """What the update leaves without a fault, once the device has settled."""
        return self.golden.sessions[-1].session.end

    def resting(self, number: int) -> DeviceState:
        """The device before its boot ``number``, without power; the last number is after the whole update."""
        sessions = self.golden.sessions
        state = self.end if number == len(sessions) else sessions[number].state.device
        return replace(state, cause="power", ram=(), volatile=b"")


class FaultJudge(Judge):
    """A judge that lets ``amend`` look at every chain."""

    def __init__(
        self, rig: Rig, ground: Ground, checks: tuple[str, ...], amend: Amend, *, cache: bool = True,
        own: Sequence[Check] = (),
    ) -> None:  # fmt: skip
        named = (*checks, *(check.name for check in own))
        super().__init__(rig, ground.bounds, checks=named, cache=cache, cover=ground.cover, own=own)
        self._amend = amend

    def chain(self, state: State, readings: Iterable[str] = ()) -> Chain:
        return self._amend(state, super().chain(state, readings))


class FaultKind(ABC):
    """One kind on one ground. ``check``: its own, with its ``promise``; ``attempts``: update attempts of its workload;
    ``is_coarse``: there are many lives to cut, so they are cut with coarse tears whatever the campaign's;
    ``is_closed``: they are cut to any depth where the campaign is."""

    name: str
    help: str
    check: str
    promise: str
    attempts = 1
    is_coarse = True
    is_closed = False

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.specimen = ground.specimen

    # -- what a kind says --------------------------------------------------------------------------------------

    @abstractmethod
    def faults(self) -> Iterator[Fault]:
        """Every fault of this kind there is here, in an order of its own."""

    @abstractmethod
    def rig(self, fault: Fault) -> VariedRig:
        """The rig with ``fault`` in it. Raises TokenError where there is no such place."""

    @abstractmethod
    def told(self, fault: Fault) -> str:
        """The fault in words."""

    @abstractmethod
    def is_cut(self, fault: Fault) -> bool:
        """Whether the life with ``fault`` in it is cut as well."""

    @property
    def not_here(self) -> str:
        """Why there are no such faults here; "" where there are."""
        return ""

    @property
    def why_idle(self) -> str:
        """Why this kind's own check has nothing to say, though its faults are tried; "" where it has."""
        return ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know of what was tried."""
        return ()

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What all that was tried says together, once it was."""
        return ()

    def left_out(self, fault: Fault) -> Mapping[str, str]:
        """The board's checks that are not claimed under this fault, each with the reason."""
        return {}

    def rows(self, fault: Fault) -> tuple[Check, ...]:
        """This kind's own check, where it judges sessions one by one and not whole chains."""
        return ()

    def amended(self, fault: Fault, state: State, chain: Chain) -> Chain:
        """``chain``, which began in ``state``, with what this kind's own check says of it."""
        return chain

    def word(self, chain: Chain) -> str:
        """What became of a fault, for counting."""
        return str(chain.outcome)

    # -- what all of them do -----------------------------------------------------------------------------------

    def claimed(self, fault: Fault) -> tuple[str, ...]:
        """The board's checks that are claimed under ``fault``."""
        left_out = self.left_out(fault)
        return tuple(name for name in self.ground.checks[0] if name not in left_out)

    def checks(self, fault: Fault) -> tuple[str, ...]:
        """Those of them that are judged as for power cuts."""
        return self.claimed(fault)

    def judge(self, fault: Fault) -> Judge:
        return FaultJudge(
            self.rig(fault), self.ground, self.checks(fault), lambda state, chain: self.amended(fault, state, chain),
            own=self.rows(fault),
        )  # fmt: skip

    def chain(self, fault: Fault) -> Chain:
        """What happens when nobody cuts the power."""
        return self.judge(fault).chain(State(self.rig(fault).initial(self.attempts), Monitor()))

    def broken(self, chain: Chain, *messages: str) -> Chain:
        """``chain`` with breaches of this kind's own check, which had something to judge."""
        self.ground.cover.exercised[self.check] += 1
        end = len(chain.sessions[-1].run.entries)
        return replace(chain, breaches=[*chain.breaches, *(Breach(self.check, end, said) for said in messages)])


def is_settled(chain: Chain, image: str) -> bool:
    """Whether ``image`` runs for good, committed."""
    assert image in (OLD, NEW), "only known images settle: please report"
    return (chain.outcome.kind, chain.outcome.image, chain.outcome.committed) == ("settled", image, True)
