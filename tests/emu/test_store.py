"""Past results: what is kept and found again, and files that are not what they should be."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import emu.campaign.past as past_module
import emu.campaign.store as store_module
from emu.campaign.closure import Closure
from emu.campaign.edges import TOGETHER, UNTOUCHED
from emu.campaign.explore import Explorer
from emu.campaign.options import ANY, Options
from emu.campaign.past import Past, replay_past
from emu.campaign.store import FILE_NAME, SCHEMA_VERSION, PastFinding, Store
from emu.campaign.token import token_for
from emu.campaign.verdict import KILLED, Step, Verdict
from emu.errors import StoreError
from emu.rig import Input
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS
from tests.emu.broken import EagerLoader
from tests.emu.helpers import COARSE, IMAGES, NONE, T1, campaign, rig_on
from tests.emu.verdicts import INPUTS, finding, verdict

ROOT = Path(__file__).resolve().parents[2]
ALL = Options(tears=TEAR_SETS["T4"], depth=2, events=("reset", "hang", "timer"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "kept")) as opened:
        yield opened


def keep(store: Store, judged: Verdict, inputs: dict[str, Input] = INPUTS) -> None:
    store.record(judged, inputs, {"tears": "T1"}, {"schema": "brownout/run/1"})


def rows(store: Store, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


# -- keeping ---------------------------------------------------------------------------------------------


def test_a_new_store_keeps_itself_out_of_version_control(tmp_path: Path) -> None:
    Store.open(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / "a" / "b" / FILE_NAME).is_file()


def test_a_campaign_and_its_findings_are_kept_whole(store: Store) -> None:
    judged = verdict(finding(5), finding(9, how="prefix-12"))
    keep(store, judged)
    ((number, at, board, old, new, workload, options, word, digest, document),) = rows(store, "campaigns")
    assert (number, at[4], at[10], at[-1]) == (1, "-", "T", "Z")
    assert (board, old, new, workload) == tuple(INPUTS[role].digest for role in ("board", "from", "to", "workload"))
    assert (word, digest) == (judged.word, judged.digest)
    assert (json.loads(options), json.loads(document)) == ({"tears": "T1"}, {"schema": "brownout/run/1"})
    assert {row[0] for row in rows(store, "findings")} == {str(token_for(1, INPUTS, f.path)) for f in judged.findings}


def test_a_finding_met_again_keeps_its_first_date(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for now in ("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"):
        monkeypatch.setattr(store_module, "now_utc", lambda now=now: now)
        keep(store, verdict(finding(5)))
    assert [row[-2:] for row in rows(store, "findings")] == [("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z")]
    assert len(rows(store, "campaigns")) == 2


def test_what_was_kept_is_there_when_the_store_is_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(Store.open(tmp_path)) as store:
            keep(store, verdict(finding(5)))
    with closing(Store.open(tmp_path)) as store:
        assert [f.path for f in store.past_findings(INPUTS, ALL)] == [(Step(0, 5, "cut"),)]
        assert len(rows(store, "campaigns")) == 2


# -- finding again ---------------------------------------------------------------------------------------


def test_past_findings_are_of_the_same_board_and_workload_whatever_the_images(store: Store) -> None:
    keep(store, verdict(finding(5)))
    for role, applies in (("from", True), ("to", True), ("board", False), ("workload", False)):
        others = INPUTS | {role: Input("other", "ee" * 32)}
        assert bool(store.past_findings(others, ALL)) == applies
    assert store.past_findings(INPUTS, replace(ALL, attempts=2)) == []


@pytest.mark.parametrize(
    ("how", "options", "applies"),
    [
        ("cut", Options(tears=NONE), True),
        ("prefix-12", Options(tears=NONE), False),
        ("prefix-12", Options(tears=COARSE), True),
        ("reset", Options(tears=T1), False),
        ("reset", Options(tears=NONE, events=("hang", "reset")), True),
    ],
)
def test_only_interruptions_that_the_campaign_tries_apply(
    store: Store, how: str, options: Options, applies: bool
) -> None:
    keep(store, verdict(finding(5, how=how)))
    assert bool(store.past_findings(INPUTS, options)) == applies


def test_deeper_paths_apply_to_deeper_campaigns_and_the_mildest_come_first(store: Store) -> None:
    deep = finding(7)
    deep.path = (Step(0, 7, "cut"), Step(0, 1, "cut"))
    keep(store, verdict(deep, finding(9, how="prefix-3"), finding(5)))
    assert [f.path for f in store.past_findings(INPUTS, ALL)] == [
        (Step(0, 5, "cut"),), (Step(0, 9, "prefix-3"),), deep.path
    ]  # fmt: skip
    assert deep.path not in [f.path for f in store.past_findings(INPUTS, replace(ALL, depth=1))]


def test_tokens_of_another_version_are_passed_over(store: Store) -> None:
    keep(store, verdict(finding(5)))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE findings SET token = replace(token, 'bo1', 'bo7')")
    assert store.past_findings(INPUTS, ALL) == []


def test_a_damaged_row_is_passed_over(store: Store) -> None:
    keep(store, verdict(finding(5), finding(6)))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE findings SET token = x'ff00' WHERE token LIKE '%0.5.cut'")
    assert [past.path[0].entry for past in store.past_findings(INPUTS, Options(attempts=1))] == [6]


def test_a_path_found_with_several_images_is_one_finding(store: Store) -> None:
    for digest in ("e1", "e2"):
        keep(store, verdict(finding(5)), INPUTS | {"to": Input("other", digest * 32)})
    assert len(store.past_findings(INPUTS, ALL)) == 1


def test_a_finding_is_kept_with_what_weak_cells_read(store: Store) -> None:
    """Depth 1 reads them in one way: what another reading broke is none of its findings."""
    read = [finding(5, how="metastable-0") for _ in range(2)]
    read[0].readings, read[1].readings = ("as-new",), ("as-old", "as-new")
    keep(store, verdict(*read))
    every = replace(ALL, depth=ANY, resolutions=("as-old", "as-new"))
    assert {f.readings for f in store.past_findings(INPUTS, every)} == {("as-new",), ("as-old", "as-new")}
    assert [f.readings for f in store.past_findings(INPUTS, replace(every, resolutions=("as-new",)))] == [("as-new",)]
    assert store.past_findings(INPUTS, ALL) == []


def test_operations_torn_together_apply_when_every_tear_of_them_is_tried(store: Store) -> None:
    keep(
        store,
        verdict(finding(5, how=f"metastable-0{TOGETHER}prefix-3"), finding(7, how=f"{UNTOUCHED}{TOGETHER}front-1")),
    )
    assert [f.path[0].entry for f in store.past_findings(INPUTS, Options(tears=T1, depth=2))] == [7]
    assert {f.path[0].entry for f in store.past_findings(INPUTS, ALL)} == {5, 7}
    assert store.past_findings(INPUTS, Options(tears=NONE)) == []


# -- replaying -------------------------------------------------------------------------------------------


def judge_of(rig: Any) -> Any:
    return Explorer(rig, rig.board.document.checks, Options()).judge


def past_of(rig: Any, store: Store, **options: Any) -> Past:
    return replay_past(rig, judge_of(rig), store.past_findings(rig.inputs, Options(**options)))


def found_and_kept(store: Store) -> Verdict:
    rig = rig_on("demo", firmware=EagerLoader())
    found = campaign(rig, tears=COARSE)
    keep(store, found, dict(rig.inputs))
    return found


def test_findings_that_are_still_there_reproduce(store: Store) -> None:
    found = found_and_kept(store)
    past = past_of(rig_on("demo", firmware=EagerLoader()), store, tears=COARSE)
    assert len(past.reproduced) == len({(f.key.check, f.path) for f in found.findings}) > 1
    assert (past.held, past.gone) == (0, 0)
    assert past.line == f"past findings: {len(past.reproduced)} of {len(past.reproduced)} still reproduce"


def test_what_weak_cells_broke_reproduces_only_as_they_were_read(store: Store) -> None:
    """The one check that stands for all: whichever breaks again, the design is as unsteady as it was."""
    options = Options(tears=TEAR_SETS["T3-coarse"], depth=ANY, resolutions=tuple(RESOLUTIONS))
    rig = rig_on("demo")
    found = Closure(rig, rig.board.document.checks, options).explore()
    unsteady = [f for f in found.findings if f.key.check == "steady"]
    assert unsteady
    keep(store, found, dict(rig.inputs))
    past = store.past_findings(rig.inputs, options)
    replayed = replay_past(rig, judge_of(rig), past)
    assert len(replayed.reproduced) == len(past) == len(found.findings)
    assert (replayed.held, replayed.gone) == (0, 0)
    otherwise = [replace(f, readings=("as-old",) * len(f.readings)) for f in past if f.check == "steady"]
    assert replay_past(rig, judge_of(rig), otherwise).held > 0


def test_findings_that_were_mended_or_lead_nowhere_are_told_apart(store: Store) -> None:
    found_and_kept(store)
    rig = rig_on("demo", firmware=EagerLoader())
    findings = store.past_findings(rig.inputs, Options(tears=COARSE))
    nowhere = replace(findings[0], path=(Step(0, 999, "cut"),))
    mended = rig_on("demo")
    past = replay_past(mended, judge_of(mended), [*findings, nowhere])
    assert (past.reproduced, past.held, past.gone) == ((), len(findings), 1)
    assert past.line == f"past findings: none of {len(findings) + 1} reproduces any more; 1 path no longer exists"


def test_other_images_are_tried_on_the_same_paths(store: Store) -> None:
    found_and_kept(store)
    images = replace(IMAGES, new=IMAGES.new[:-1] + b"\x01")
    past = past_of(rig_on("demo", firmware=EagerLoader(), images=images), store, tears=COARSE)
    assert past.reproduced


def test_a_finding_that_killed_its_worker_is_not_replayed(store: Store) -> None:
    keep(store, verdict(finding(5, outcome=KILLED)))
    findings = store.past_findings(INPUTS, ALL)
    rig = rig_on("demo")
    past = replay_past(rig, judge_of(rig), findings)
    assert (past.reproduced, past.deadly) == ((), 1)
    assert past.line == "past findings: 1 killed their worker and are not replayed here"


def test_too_many_past_findings_are_counted_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_module, "MAX_REPLAYED", 2)
    rig = rig_on("demo")
    findings = [PastFinding("boots", 1, (Step(0, entry, "cut"),), "") for entry in range(5)]
    past = replay_past(rig, judge_of(rig), findings)
    assert (past.held, past.left_out) == (2, 3)
    assert past.line.endswith("3 more were not tried")
    assert replay_past(rig, judge_of(rig), findings, budget_s=1e-9).left_out >= 4


def test_nothing_in_the_past_is_nothing_to_say() -> None:
    assert Past().line == ""


# -- files that are not what they should be --------------------------------------------------------------


def spoiled(folder: Path, content: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / FILE_NAME).write_bytes(content)
    return folder


@pytest.mark.parametrize("content", [b"hello, world\n" * 100, b"SQLite format 3\0" + b"\xff" * 2000])
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    folder = spoiled(tmp_path / "s", content)
    with pytest.raises(StoreError, match="it is damaged or no store; move it away, or give another --store DIR"):
        Store.open(folder)
    assert (folder / FILE_NAME).read_bytes() == content


def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match="is a database of something else; give another --store DIR"):
        Store.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match="written by a newer brownout"):
        Store.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_an_older_schema_is_brought_up_and_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store.open(tmp_path)) as store:
        keep(store, verdict(finding(5)))
    steps = (*store_module._STEPS, ("ALTER TABLE campaigns ADD COLUMN note TEXT NOT NULL DEFAULT ''",))
    monkeypatch.setattr(store_module, "_STEPS", steps)
    monkeypatch.setattr(store_module, "SCHEMA_VERSION", len(steps))
    for _ in range(2):
        with closing(Store.open(tmp_path)) as store:
            assert [row[-1] for row in rows(store, "campaigns")] == [""]
            assert len(store.past_findings(INPUTS, ALL)) == 1


def test_a_full_disk_loses_nothing_that_was_there(store: Store) -> None:
    keep(store, verdict(finding(5)))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full: make room; what was stored before is untouched"):
        store.record(verdict(finding(9)), INPUTS, {}, {"document": "x" * 1_000_000})
    assert len(rows(store, "campaigns")) == len(rows(store, "findings")) == 1
    store._connection.execute(f"PRAGMA max_page_count = {pages + 5000}")
    keep(store, verdict(finding(9)))
    assert len(rows(store, "findings")) == 2


def test_a_campaign_is_kept_with_all_its_findings_or_not_at_all(store: Store) -> None:
    broken = finding(9)
    broken.message = object()  # type: ignore[assignment]
    with pytest.raises(sqlite3.Error):
        keep(store, verdict(finding(5), broken))
    assert rows(store, "campaigns") == rows(store, "findings") == []
    keep(store, verdict(finding(5)))
    assert len(rows(store, "campaigns")) == 1


def test_a_file_another_process_holds_is_waited_for_and_then_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "WAIT_S", 0.2)
    with closing(Store.open(tmp_path)) as store, closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"another process holds it for more than 0\.2 s"):
            keep(store, verdict(finding(5)))
        other.execute("ROLLBACK")
        keep(store, verdict(finding(5)))
        assert len(rows(store, "campaigns")) == 1


@pytest.mark.parametrize("folder", ["file/store", "/proc/store"])
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="no store can be made there"):
        Store.open(tmp_path / folder)


WRITER = """
import sys
from pathlib import Path
from emu.campaign.store import Store
from tests.emu.verdicts import INPUTS, finding, verdict
for number in range(15):
    store = Store.open(Path(sys.argv[1]))
    store.record(verdict(finding(int(sys.argv[2]) * 100 + number)), INPUTS, {}, {})
    store.close()
"""


def test_several_processes_may_write_at_once(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)], cwd=ROOT, env=os.environ)
        for number in range(3)
    ]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    with closing(Store.open(tmp_path)) as store:
        assert len(rows(store, "campaigns")) == len(store.past_findings(INPUTS, ALL)) == 45
