"""prove: a campaign on a scenario of one's own, from Python.

    proof = prove(device, tears="T1")
    assert proof.held, proof.text

Neighbours: stands beside `cli`, which does the same for a terminal; the pytest plugin comes here. Knows no test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from emu.campaign.edges import EVENT_NAMES, EventName
from emu.campaign.explore import Explorer
from emu.campaign.options import ANY, Options
from emu.campaign.pristine import pristine
from emu.campaign.replay import Story, follow
from emu.campaign.token import Token, parse_token, token_for
from emu.campaign.verdict import Finding, Verdict
from emu.cli.campaign import campaign_on
from emu.cli.depth import ATTEMPTS_AT_ANY_DEPTH, MAX_ATTEMPTS, OWN_AUDIT
from emu.cli.engine import EngineChoice
from emu.cli.stories import Teller, tellable
from emu.errors import ScenarioError, TokenError
from emu.plain_rig import PlainRig
from emu.report.story import tell
from emu.scenario import Scenario
from flash.tears import TEAR_SETS
from flash.timing import TimingMode
from flash.tomlfile import nearest
from flash.weak import DEFAULT_RESOLUTION, RESOLUTIONS

DEPTHS = {"any": ANY, "1": 1, "2": 2}


@dataclass(frozen=True)
class Proof:
    """What a campaign has found. ``tokens``: one for each finding, the mildest first. ``story``: what happens on the
    path of the mildest, step by step; "" where there is none."""

    verdict: Verdict
    tokens: tuple[str, ...]
    story: str

    @property
    def held(self) -> bool:
        """Whether every check held in every state. False also for a campaign that did not finish."""
        return self.verdict.word == "held"

    @property
    def text(self) -> str:
        """Why it is not proven, in a few lines and a story; one line where it is."""
        verdict = self.verdict
        if self.held:
            return f"held: {verdict.coverage.edges:,} edges, {verdict.coverage.states:,} states"
        if not verdict.findings:
            return f"{verdict.word}: {'; '.join(verdict.notes)}"
        shown = [_line(finding) for finding in verdict.findings[:SHOWN]]
        more = len(verdict.findings) - SHOWN
        rest = [f"and {more:,} more"] if more > 0 else []
        return "\n".join([*shown, *rest, "", "the mildest path, step by step", "", self.story])


SHOWN = 5


@dataclass(frozen=True)
class Ask:
    """What is tried, as words and numbers of a command line; checked when it is made. Raises ScenarioError.

    ``depth``: any, 1 or 2. ``attempts`` 0: two at any depth, else one. ``resolution`` "": every one at any depth.
    ``budget_s`` 0: no limit.
    """

    depth: str = "any"
    tears: str = "T1"
    attempts: int = 0
    events: Sequence[str] = ()
    timing: TimingMode = "typ"
    seed: int = 0
    resolution: str = ""
    budget_s: float = 0.0
    keep_going: bool = False

    def __post_init__(self) -> None:
        _check("depth", self.depth, DEPTHS)
        _check("tears", self.tears, TEAR_SETS)
        _check("timing", self.timing, ("typ", "max", "sampled"))
        if self.resolution:
            _check("resolution", self.resolution, RESOLUTIONS)
        if isinstance(self.events, str):
            raise ScenarioError(f"events: {self.events!r} is one word; give a list, like [{self.events!r}]")
        for event in self.events:
            _check("events", event, EVENT_NAMES)
        for name, value, most in (("attempts", self.attempts, MAX_ATTEMPTS), ("seed", self.seed, 1 << 62)):
            if type(value) is not int or not 0 <= value <= most:
                raise ScenarioError(f"{name}: {value!r} is no number from 0 to {most}")
        if type(self.keep_going) is not bool:
            raise ScenarioError(f"keep_going: {self.keep_going!r} is neither True nor False")
        if not isinstance(self.budget_s, int | float) or not self.budget_s >= 0:
            raise ScenarioError(f"budget_s: {self.budget_s!r} is no number of seconds")

    def options(self, keeps_new: bool) -> Options:
        depth = DEPTHS[self.depth]
        events: tuple[EventName, ...] = tuple(name for name in EVENT_NAMES if name in self.events)
        return Options(
            tears=replace(TEAR_SETS[self.tears], seed=self.seed),
            depth=depth,
            resolutions=self._resolutions(depth),
            keep_going=self.keep_going,
            attempts=self.attempts or (ATTEMPTS_AT_ANY_DEPTH if depth == ANY else 1),
            events=events,
            budget_s=float(self.budget_s),
            keeps_new=keeps_new,
        )

    def rig(self, scenario: Scenario) -> PlainRig:
        return PlainRig(scenario, timing=self.timing, seed=self.seed, resolution=self.resolution or DEFAULT_RESOLUTION)

    def _resolutions(self, depth: int) -> tuple[str | None, ...]:
        if depth != ANY:
            return (None,)
        return (self.resolution,) if self.resolution else tuple(RESOLUTIONS)


def prove(scenario: Scenario, asked: Ask | None = None) -> Proof:
    """Cut the power at every flash operation of ``scenario``, and judge what survives. At any depth it is audited, and
    some sessions are repeated in a process that has run none: what survives a reset that no device keeps is refused.

    Raises ScenarioError for what does not go together, and for such a firmware; NothingToRun where the uncut workload
    writes nothing.
    """
    asked = asked or Ask()
    rig = asked.rig(scenario)
    options = asked.options(rig.keeps_new)
    with pristine(rig) as other:
        share, fresh = (None, None) if other is None else (OWN_AUDIT, other.records)
        with campaign_on(EngineChoice(), rig, options, None, share, fresh) as campaign:
            verdict = campaign.explore()
    tokens = tuple(
        str(token_for(verdict.attempts, rig.inputs, finding.path, finding.readings)) for finding in verdict.findings
    )
    told = ""
    for finding in tellable(verdict)[:1]:
        told = tell(Teller(rig, campaign.checks, verdict, asked.seed).story(finding))
    return Proof(verdict, tokens, told)


def is_token_of(scenario: Scenario, token: str, asked: Ask | None = None) -> bool:
    """Whether ``token`` was found with this scenario. Raises TokenError for what is none."""
    parsed = parse_token(token)
    try:
        parsed.check_inputs((asked or Ask()).rig(scenario).inputs)
    except TokenError:
        return False
    return True


def replayed(scenario: Scenario, token: str, asked: Ask | None = None) -> tuple[Story, str]:
    """What happens on the path of ``token``, and the same told; its ``breaches`` are empty where it does not reproduce.

    Raises TokenError for another scenario's, or one whose places do not exist any more.
    """
    asked = asked or Ask()
    parsed: Token = parse_token(token)
    rig = asked.rig(scenario)
    options = replace(asked.options(rig.keeps_new), depth=1, attempts=parsed.attempts, resolutions=(None,))
    story = follow(rig, Explorer(rig, rig.bounds, options).judge, parsed, asked.seed)
    return story, tell(story)


def _line(finding: Finding) -> str:
    return f"{finding.key.check}: {finding.message} [{finding.cuts} cut{'s' if finding.cuts != 1 else ''}]"


def _check(what: str, given: object, known: Iterable[str]) -> None:
    names = list(known)
    if given not in names:
        raise ScenarioError(f"{what}: there is no {given!r}{nearest(str(given), names)}")
