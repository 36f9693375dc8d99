"""The pytest plugin: tests that run under every power cut.

    @pytest.mark.power_cuts(part="w25q128jv", tears="T1")
    def test_the_counter_survives(flash):          # the body runs at every reset
        ...

    def test_my_bootloader(campaign):
        campaign(device)                           # a Scenario

Found by its entry point. At start-up nothing of brownout is imported: that happens when a test asks for it.

Neighbours: `proof` runs the campaigns. Knows no check.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emu.board import Board
    from emu.device import EmulatedDevice
    from emu.proof import Ask, Proof
    from emu.reset import Reset
    from emu.scenario import Scenario
    from flash.device import FlashDevice

MARKER = "power_cuts"
DEFAULT_PART, DEFAULT_BOARD = "w25q128jv", "demo"
PLACE = ("part", "windows", "factory", "timers", "checks", "stuck_after_s")
"""Arguments of the marker that say what the test runs on; the others are those of `proof.Ask`."""
CACHE = "brownout/findings"
NEVER_WROTE = "never wrote to flash: there is no operation at which power could be cut"
NOT_ITS_TOKEN = "the token of --brownout-replay is of another test, or of other flash or images"
RAN = pytest.StashKey[bool]()
REPLAYED = "brownout_replayed"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("brownout", "power cuts in firmware")
    group.addoption("--brownout-replay", metavar="TOKEN", help="Replay this finding instead of running a campaign.")
    parser.addini("brownout_part", "The part of the flash fixture, by name.", default=DEFAULT_PART)
    parser.addini("brownout_board", "The board of the board fixture, by name or path.", default=DEFAULT_BOARD)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(part='w25q128jv', windows=..., factory=..., depth='any', tears='T1', attempts=..., events=[...], "
        "budget_s=...): the body of the test runs at every reset, and power is cut at every flash operation in it.",
    )
    if config.getoption("--brownout-replay") is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Replaying())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests with a finding that is remembered run first."""
    items.sort(key=lambda item: not _remembered(item))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A marked test is a firmware: its body is called at every reset of a campaign."""
    marker = pyfuncitem.get_closest_marker(MARKER)
    if marker is None:
        return None
    body = _Body(pyfuncitem)
    with _told_in_one_line():
        scenario, ask = _asked_by(marker, body)
    _judge(pyfuncitem, scenario, ask, body)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that takes the fixture `campaign` and runs none proves nothing."""
    yield
    if not item.stash.get(RAN, True):
        pytest.fail("the test took the fixture `campaign` and ran none: call campaign(scenario)", pytrace=False)


class _Replaying:
    """A run with --brownout-replay in which no test took the token has shown nothing: it must not be green."""

    def __init__(self) -> None:
        self._was_taken = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._was_taken |= any(name == REPLAYED for name, _ in report.user_properties)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._was_taken and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._was_taken:
            terminalreporter.write_line("brownout: no test took the token of --brownout-replay: nothing was replayed")


# -- fixtures --------------------------------------------------------------------------------------------


@pytest.fixture
def flash(request: pytest.FixtureRequest) -> FlashDevice:
    """A blank NOR flash of the part in the ini option ``brownout_part``. In a test with the power_cuts marker: the
    flash of the session, as the last cut left it."""
    from flash.device import FlashDevice
    from flash.part import bundled_part

    with _told_in_one_line():
        return FlashDevice(bundled_part(str(request.config.getini("brownout_part"))))


@pytest.fixture
def reset(request: pytest.FixtureRequest) -> Reset:
    """In a test with the power_cuts marker: the session, as firmware gets it (`emu.reset.Reset`)."""
    if request.node.get_closest_marker(MARKER) is None:
        pytest.fail(f"the fixture `reset` is for tests with @pytest.mark.{MARKER}", pytrace=False)
    return None  # type: ignore[return-value]  # replaced in every session


@pytest.fixture
def board(request: pytest.FixtureRequest) -> Board:
    """The board in the ini option ``brownout_board``."""
    from emu.board import load_board

    with _told_in_one_line():
        return load_board(str(request.config.getini("brownout_board")))


@pytest.fixture
def device(board: Board) -> EmulatedDevice:
    """A device of ``board``, its flash blank."""
    from emu.device import EmulatedDevice

    return EmulatedDevice(board)


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Callable[..., Proof | None]:
    """A function that runs a campaign on a `Scenario` and fails the test with the mildest path, if there is one.

    ``campaign(scenario, depth="any", tears="T1", attempts=..., events=[...], budget_s=...)`` returns the `Proof`; None
    where a token was replayed instead.
    """

    request.node.stash[RAN] = False

    def run(scenario: Scenario, **asked: Any) -> Proof | None:
        request.node.stash[RAN] = True
        with _told_in_one_line():
            ask = _ask(asked, "campaign")
        return _judge(request.node, scenario, ask, None)

    return run


# -- a test as a firmware --------------------------------------------------------------------------------


class _Body:
    """The body of a marked test, called as a firmware. ``wrong``: what it raised last."""

    def __init__(self, item: pytest.Function) -> None:
        self._item = item
        self._wanted = set(inspect.signature(item.obj).parameters)
        self.wrong: BaseException | None = None

    def __call__(self, session: Reset) -> str | None:
        given = {name: self._item.funcargs[name] for name in self._wanted if name in self._item.funcargs}
        live = {"reset": session, "flash": next(iter(session.flash.values()))}
        given |= {name: value for name, value in live.items() if name in self._wanted}
        try:
            returned = self._item.obj(**given)
        except (Exception, pytest.fail.Exception) as wrong:
            self.wrong = wrong
            return f"the test fails: {_first_line(wrong)}"
        if returned is not None:
            return f"the test returns {returned!r}"
        return None


def _asked_by(marker: pytest.Mark, body: _Body) -> tuple[Scenario, Ask]:
    from emu.errors import ScenarioError
    from emu.scenario import Scenario

    if marker.args:
        raise ScenarioError(f"@pytest.mark.{MARKER} takes names: {MARKER}(part={marker.args[0]!r}), say")
    item = body._item
    place = {name: marker.kwargs[name] for name in PLACE if name in marker.kwargs}
    part = place.pop("part", None) or str(item.config.getini("brownout_part"))
    ask = _ask({name: value for name, value in marker.kwargs.items() if name not in PLACE}, f"@pytest.mark.{MARKER}")
    return Scenario(body, part, name=item.nodeid, **place), ask


def _ask(given: dict[str, Any], where: str) -> Ask:
    from dataclasses import fields

    from emu.errors import ScenarioError
    from emu.proof import Ask
    from flash.tomlfile import nearest

    known = [field.name for field in fields(Ask)]
    names = known if where == "campaign" else [*PLACE, *known]
    for name in given:
        if name not in known:
            raise ScenarioError(f"{where} takes no {name!r}{nearest(name, names)}")
    return Ask(**given)


# -- judging ---------------------------------------------------------------------------------------------


def _judge(item: pytest.Item, scenario: Scenario, ask: Ask, body: _Body | None) -> Proof | None:
    """Run the campaign of ``item``, or replay a token; fails the test with what is found."""
    from emu.errors import NothingToRun, UsageError
    from emu.proof import is_token_of, prove
    from flash.errors import FlashError

    token = item.config.getoption("--brownout-replay")
    try:
        if token is not None:
            if not is_token_of(scenario, token, ask):
                raise pytest.skip.Exception(NOT_ITS_TOKEN, _use_item_location=True)
            item.user_properties.append((REPLAYED, token))
            _replay(item, scenario, ask, body, token, "")
            return None
        for known in _remembered(item):
            if is_token_of(scenario, known, ask):
                _replay(item, scenario, ask, body, known, "remembered from an earlier run: ")
        proof = prove(scenario, ask)
    except NothingToRun:
        raise pytest.fail.Exception(NEVER_WROTE, pytrace=False) from None
    except (UsageError, FlashError) as wrong:
        if body is not None and body.wrong is not None:
            raise body.wrong from None  # it fails without any cut: an ordinary failure
        raise pytest.fail.Exception(str(wrong), pytrace=False) from None
    _record(item, proof)
    _remember(item, proof.tokens[:1])
    if not proof.held:
        _fail(item, proof.text, proof.tokens[0] if proof.tokens else "", body)
    return proof


def _replay(item: pytest.Item, scenario: Scenario, ask: Ask, body: _Body | None, token: str, said: str) -> None:
    """Fails the test if the finding reproduces. A remembered token whose places are gone is no finding any more."""
    from emu.errors import TokenError
    from emu.proof import replayed

    try:
        story, told = replayed(scenario, token, ask)
    except TokenError:
        if said:
            return
        raise
    if story.breaches:
        item.user_properties.append(("brownout_token", token))
        _fail(item, f"{said}{story.breaches[0].check}: {story.breaches[0].message}\n\n{told}", token, body)


def _fail(item: pytest.Item, text: str, token: str, body: _Body | None) -> None:
    lines = [text]
    if body is not None and body.wrong is not None:
        frame = inspect.getinnerframes(body.wrong.__traceback__)[-1] if body.wrong.__traceback__ else None
        where = f" at {frame.filename}:{frame.lineno}" if frame else ""
        lines += ["", f"the last failure{where}: {_first_line(body.wrong)}"]
    if token:
        lines += ["", f'replay: pytest "{item.nodeid}" --brownout-replay {token}']
    pytest.fail("\n".join(lines), pytrace=False)


def _record(item: pytest.Item, proof: Proof) -> None:
    """Properties for JUnit."""
    cover = proof.verdict.coverage
    item.user_properties.extend(
        [
            ("brownout_verdict", proof.verdict.word),
            ("brownout_edges", cover.edges),
            ("brownout_states", cover.states),
            ("brownout_operations", sum(cover.operations.values())),
            ("brownout_digest", proof.verdict.digest),
            *(("brownout_token", token) for token in proof.tokens),
        ]
    )


def _first_line(wrong: BaseException) -> str:
    return f"{type(wrong).__name__}: {(str(wrong).splitlines() or [''])[0]}".rstrip(": ")


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    """What a user got wrong fails the test with one line, not with a traceback through brownout."""
    from emu.errors import UsageError
    from flash.errors import FlashError

    try:
        yield
    except (UsageError, FlashError, TypeError) as wrong:
        raise pytest.fail.Exception(str(wrong), pytrace=False) from None


# -- what is remembered ----------------------------------------------------------------------------------


def _remembered(item: pytest.Item) -> list[str]:
    """Tokens of the last findings of a test; none where pytest keeps no cache."""
    cache = getattr(item.config, "cache", None)
    if cache is None or not _is_ours(item):
        return []
    found = cache.get(_key(item), [])
    return [token for token in found if isinstance(token, str)] if isinstance(found, list) else []


def _remember(item: pytest.Item, tokens: tuple[str, ...]) -> None:
    cache = getattr(item.config, "cache", None)
    if cache is not None and (tokens or _remembered(item)):
        cache.set(_key(item), list(tokens))


def _is_ours(item: pytest.Item) -> bool:
    return item.get_closest_marker(MARKER) is not None or "campaign" in getattr(item, "fixturenames", ())


def _key(item: pytest.Item) -> str:
    return f"{CACHE}/{hashlib.sha256(item.nodeid.encode()).hexdigest()[:16]}"
