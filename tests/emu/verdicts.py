"""Verdicts made by hand, and what was asked for them. Neighbours: the tests of reports. Asserts nothing."""

from __future__ import annotations

from collections import Counter

from emu.campaign.verdict import Coverage, Finding, FindingKey, Step, Verdict
from emu.report.asked import Asked
from emu.rig import Input
from emu.update_rig import UpdateRig

INPUTS = {
    "board": Input("demo", "aa" * 32),
    "from": Input("old.bin, 100 bytes", "bb" * 32),
    "to": Input("my new.bin, 200 bytes", "cc" * 32),
    "workload": Input(
        "model firmware, app hangs, timing max, seed 7, weak bits as-old, versions 1.0.0 -> 2.0.0", "dd" * 32
    ),
}
ASKED = Asked(
    INPUTS, {"from": "old.bin", "to": "my new.bin"}, "hangs", "max", 7, "as-old", ("1.0.0", "2.0.0"),
    ("--from", "old.bin", "--to", "my new.bin", "--app", "hangs", "--timing", "max", "--seed", "7"),
)  # fmt: skip
TOKEN = "bo1:1:aaaaaaaa:bbbbbbbb:cccccccc:dddddddd"
OPTIONS = "--from old.bin --to 'my new.bin' --app hangs --timing max --seed 7"


def finding(
    entry: int = 5,
    *,
    how: str = "cut",
    count: int = 1,
    session: int = 0,
    outcome: str = "unknown image runs, committed",
) -> Finding:
    key = FindingKey("whole", ((session, entry),), (how.rpartition("-")[0] or how,), outcome)
    return Finding(key, (Step(session, entry, how),), int(how != "cut"), f"slot 1 at {entry:#x} runs a mix", count)


def as_asked(rig: UpdateRig) -> Asked:
    return Asked(rig.inputs, {"from": None, "to": None}, rig.app.name, "typ", 0, "seeded", ("1.0.0", "2.0.0"))


def verdict(*findings: Finding, complete: bool = True) -> Verdict:
    coverage = Coverage(
        operations=Counter(program=3, erase=1),
        edge_kinds=Counter(cut=5, prefix=15),
        outcomes=Counter({"old image runs, committed": 18, "new image runs, committed": 2}),
        exercised=Counter(boots=20, whole=20),
        edges_executed=4,
        edges_inherited=16,
        boots=30,
        runs=6,
        depth_done=int(complete),
        broken=sum((Counter({found.key.check: found.count}) for found in findings if found.path), Counter()),
    )
    notes = [] if complete else ["the budget is spent"]
    return Verdict(
        "demo", 1, 1, "T1", ("reset",), ("boots", "whole", "durable"), coverage, list(findings), complete, 1.5, notes
    )


def without_retries(*findings: Finding, complete: bool = True) -> Verdict:
    judged = verdict(*findings, complete=complete)
    judged.inapplicable = {"retries": "because it is so"}
    return judged
