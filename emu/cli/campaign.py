"""A campaign from the command line's point of view, whatever its depth: run, audited, certified, mapped.

Neighbours: `run` and `verify` come here, so that what one certifies the other derives in the same way; `engine` has
what carries the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, Protocol

from emu.campaign.audit import REPEATED_EARLY, Audit, Auditor, Fresh
from emu.campaign.closure import Closure
from emu.campaign.closure_map import layers_of, map_of_closure
from emu.campaign.cut_times import CutTimes
from emu.campaign.explore import Explorer
from emu.campaign.exposure import Exposure, exposure_of
from emu.campaign.fresh import FreshInterpreter
from emu.campaign.options import ANY, Options, Progress
from emu.campaign.tally import Tally
from emu.campaign.update_map import Layer, UpdateMap
from emu.campaign.verdict import Verdict
from emu.cli.engine import EngineChoice, engine_on, explorer_on
from emu.report.asked import Asked
from emu.report.certificate import to_certificate
from emu.report.mutants import Tried
from emu.rig import Subject
from emu.rig_spec import rig_spec


class Campaign(Protocol):
    """What `run` does with a campaign. ``audit`` None: there was none."""

    audit: Audit | None

    @property
    def interrupted(self) -> bool: ...

    @property
    def checks(self) -> tuple[str, ...]: ...

    def explore(self) -> Verdict: ...

    def update_map(self) -> UpdateMap: ...

    def layers(self) -> tuple[Layer, ...]: ...

    def exposure(self, times: CutTimes | None) -> Exposure:
        """Of a campaign of any depth. ``times`` None: every moment of the uncut update alike."""
        ...

    def certificate(self, asked: Asked, mutants: Sequence[Tried] | None) -> dict[str, Any]:
        """Of a campaign of any depth that held. ``mutants`` None: none was tried."""
        ...


class _Layers:
    """Depth 1 and 2: brute force."""

    audit: Audit | None = None

    def __init__(self, rig: Subject, explorer: Explorer) -> None:
        self._rig = rig
        self._explorer = explorer

    @property
    def interrupted(self) -> bool:
        return self._explorer.interrupted

    @property
    def checks(self) -> tuple[str, ...]:
        return self._explorer.checks

    def explore(self) -> Verdict:
        return self._explorer.explore()

    def update_map(self) -> UpdateMap:
        return self._explorer.update_map(self._rig.regions)

    def layers(self) -> tuple[Layer, ...]:
        return ()

    def exposure(self, times: CutTimes | None) -> Exposure:
        raise AssertionError("brute force keeps no graph to read exposure off: please report")

    def certificate(self, asked: Asked, mutants: Sequence[Tried] | None) -> dict[str, Any]:
        raise AssertionError("brute force certifies nothing: please report")


class _AnyDepth:
    """A closure, and an audit of it when it is complete."""

    def __init__(self, rig: Subject, closure: Closure, audit_share: float | None, fresh: Fresh) -> None:
        self.audit: Audit | None = None
        self._rig = rig
        self._closure = closure
        self._audit_share = audit_share
        self._fresh = fresh
        self._verdict: Verdict | None = None
        if audit_share is not None:
            seed = closure.options.tears.seed
            closure.doubt = lambda: Auditor(closure).repeat(fresh, seed, REPEATED_EARLY)

    @property
    def interrupted(self) -> bool:
        return self._closure.interrupted

    @property
    def checks(self) -> tuple[str, ...]:
        return self._closure.checks

    def explore(self) -> Verdict:
        self._verdict = self._closure.explore()
        if self._verdict.complete and self._audit_share is not None:
            seed = self._closure.options.tears.seed
            self.audit = Auditor(self._closure).audit(self._audit_share, seed, self._fresh)
        return self._verdict

    def update_map(self) -> UpdateMap:
        verdict = self._verdict
        assert verdict is not None, "a map of a campaign that was not run: please report"
        return map_of_closure(self._tally, verdict.findings, self._rig.regions)

    def layers(self) -> tuple[Layer, ...]:
        return layers_of(self._tally)

    def exposure(self, times: CutTimes | None) -> Exposure:
        assert self._verdict is not None, "exposure of a campaign that was not run: please report"
        return exposure_of(self._tally, self._verdict.findings, times)

    def certificate(self, asked: Asked, mutants: Sequence[Tried] | None) -> dict[str, Any]:
        assert self._verdict is not None, "a certificate of a campaign that was not run: please report"
        options = self._closure.options
        return to_certificate(
            self._verdict,
            asked,
            parts=dict(zip(self._rig.chip_names, self._rig.parts, strict=True)),
            tears=options.tears,
            resolutions=[name or asked.resolution for name in options.resolutions],
            audit=self.audit,
            arguments=asked.arguments,
            mutants=mutants,
        )

    @property
    def _tally(self) -> Tally:
        assert self._closure.tally is not None, "a tally of a campaign that was not run: please report"
        return self._closure.tally


@contextmanager
def campaign_on(
    choice: EngineChoice,
    rig: Subject,
    options: Options,
    progress: Progress | None,
    audit_share: float | None,
    fresh: Fresh | None = None,
) -> Iterator[Campaign]:
    """A campaign that is about to begin, on an engine for as long as it is needed. ``fresh``: how an audit repeats
    sessions; None: in another interpreter, where one can make the rig."""
    if options.depth != ANY:
        with explorer_on(choice, rig, options, progress or (lambda coverage, layer, where: None)) as explorer:
            yield _Layers(rig, explorer)
        return

    with engine_on(choice, rig) as engine, closing(FreshInterpreter(partial(rig_spec, rig))) as other:
        yield _AnyDepth(rig, Closure(rig, rig.bounds, options, progress, engine), audit_share, fresh or other.records)
