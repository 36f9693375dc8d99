"""A finding told at length: which are told, the graph of the path, the story, torn bytes, the command."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from emu.campaign.replay import Torn
from emu.report.html.case import MAX_CASES, Case, case_section, to_tell
from emu.report.html.path_graph import path_graph
from emu.report.story import hexdump, lines_of
from flash.journal import Operation
from tests.emu.helpers import explorer_on, rig_on
from tests.emu.html.pages import Page, Run, broken, held, mutant, run_of
from tests.emu.verdicts import finding


def graph(run: Run, case: int = 0) -> Page:
    return Page(path_graph(run.cases[case].story, run.update.sessions, "a path"))


def nodes(page: Page) -> list[tuple[list[str], str]]:
    """Classes and words of every box."""
    return [(e.classes, e.text) for e in page.all("g", class_="node")]


# -- which findings are told -----------------------------------------------------------------------------


def test_the_mildest_of_each_kind_is_told_for_all_of_its_kind() -> None:
    found = [finding(n) for n in range(5)] + [finding(9, how="prefix-3"), finding(10, outcome="bricked: x")]
    groups = to_tell(found)
    assert [group.mildest for group in groups] == [found[0], found[5], found[6]]
    assert groups[0].others == tuple(found[1:5])


def test_every_check_has_a_turn_before_any_has_a_second() -> None:
    many = [finding(n, outcome=f"bricked: {'x' * n}") for n in range(MAX_CASES + 5)]
    rare = finding(99)
    rare.key = replace(rare.key, check="wear")
    told = [group.mildest for group in to_tell([*many, rare])]
    assert told == [*many[: MAX_CASES - 1], rare]


def test_every_case_of_a_page_has_its_finding_and_says_what_it_stands_for() -> None:
    run = broken()
    page = Page(run.page)
    assert 1 < len(run.cases) < len(run.verdict.findings)
    for number, case in enumerate(run.cases, 1):
        article = page.by_id(f"case-{number}")
        told = run.document["findings"][case.index]
        assert told["message"] in article.text
        assert page.by_id(f"case-{number}-replay").text == told["replay"]
        assert (f"Stands for {len(case.others)} other finding" in article.text) == bool(case.others)
    stand_for = len(run.cases) + sum(len(case.others) for case in run.cases)
    assert stand_for == len(run.verdict.findings)
    assert f"standing for {stand_for} of {stand_for} findings" in page.by_id("findings").text


def test_the_table_lists_every_finding_with_its_token_and_place() -> None:
    run = broken()
    rows = Page(run.page).table("findings-table")
    assert len(rows) == len(run.verdict.findings)
    for row, found, told in zip(rows, run.verdict.findings, run.document["findings"], strict=True):
        assert row[1:5] == [
            found.key.check,
            found.message,
            found.key.outcome,
            " then ".join(found.key.tears) or "uncut",
        ]
        assert row[5] == ("+".join(f"{s.run}.{s.entry}" for s in found.path) or "uncut")
        assert row[7].endswith(told["token"])


# -- the graph -------------------------------------------------------------------------------------------


def test_a_path_of_two_cuts_goes_down_two_lanes_and_ends_in_what_broke() -> None:
    run = mutant("bad-record-first")
    page = graph(run)
    assert len(page.all("g", class_="cut")) == 2
    boxes = nodes(page)
    real = [words for classes, words in boxes if "was" not in classes]
    assert [words.partition(":")[0] for words in real[:-1]] == ["session 1", "session 2", "session 3", "session 4"]
    assert boxes[-1][0] == ["node", "end", "broken"]
    assert "✕ reverts broken" in boxes[-1][1]
    tops = [float(e.inside[0].attributes["y"] or "") for e in page.all("g", class_="node") if "was" not in e.classes]
    assert len(set(tops)) == 3
    assert tops == sorted(tops)


def test_where_the_uncut_update_would_have_gone_is_dashed() -> None:
    run = broken()
    case = next(n for n, case in enumerate(run.cases) if case.story.sessions[0].step is not None)
    was = [words for classes, words in nodes(graph(run, case)) if "was" in classes]
    assert len(was) == len(run.update.sessions)
    assert was[-1].startswith("without the cut:")
    assert Page(path_graph(run.cases[case].story, (), "a path")).all("g", class_="was") == []


def test_what_breaks_without_any_cut_is_a_path_without_a_cut() -> None:
    rig = rig_on("stm32f103", firmware=mutant_firmware("timer-not-armed"), app="hangs")
    run = run_of(explorer_on(rig), rig)
    uncut = next(n for n, case in enumerate(run.cases) if all(s.step is None for s in case.story.sessions))
    page = graph(run, uncut)
    assert page.all("g", class_="cut") == []
    assert nodes(page)[-1][0] == ["node", "end", "broken"]


def mutant_firmware(name: str) -> object:
    from tests.mutants.zoo import ZOO

    return next(row.firmware for row in ZOO if row.name == name)()


def test_equal_sessions_in_a_row_are_one_node_and_one_story() -> None:
    run = mutant("timer-always-armed")
    boxes = [words for classes, words in nodes(graph(run)) if "was" not in classes]
    assert len(run.cases[0].story.sessions) > len(boxes)
    (many,) = [words for words in boxes if words.startswith("sessions ")]
    found = re.match(r"sessions (\d+)–(\d+): commit-timer", many)
    assert found is not None
    assert int(found[2]) == len(run.cases[0].story.sessions)
    text = Page(run.page).by_id("case-1").text
    assert f"Sessions {found[1]} to {found[2]}, each the same: reset by commit-timer" in text


def test_words_of_a_graph_stay_inside_their_boxes() -> None:
    """Seven pixels a character is what the widest of the usual fonts takes."""
    for name in ("bad-record-first", "timer-always-armed", "ecc-fault-unhandled"):
        run = mutant(name)
        for case in range(len(run.cases)):
            page = graph(run, case)
            (svg,) = page.all("svg")
            wide, tall = (float(svg.attributes[key] or "") for key in ("width", "height"))
            for box in page.all("g", class_="node"):
                frame, *words = box.inside
                right = float(frame.attributes["x"] or "") + float(frame.attributes["width"] or "")
                bottom = float(frame.attributes["y"] or "") + float(frame.attributes["height"] or "")
                assert right <= wide
                assert bottom <= tall
                for word in words:
                    assert float(word.attributes["x"] or "") + 7 * len(word.text) <= right
                    assert float(word.attributes["y"] or "") < bottom


# -- the story -------------------------------------------------------------------------------------------


def told(run: Run, case: int = 0) -> Page:
    return Page(case_section(run.cases[case], run.document["findings"][run.cases[case].index], (), 1))


def test_the_story_tells_every_entry_up_to_the_cut_and_none_behind_it() -> None:
    run = broken()
    for number, case in enumerate(run.cases):
        page = told(run, number)
        first = case.story.sessions[0]
        end = len(first.run.entries) if first.step is None else first.step.entry
        rows = [[cell.text for cell in row.inside] for row in page.all("table")[0].inside if row.name == "tr"][1:]
        lines = list(lines_of(first.run.entries[:end], is_cut=first.step is not None))
        assert [row[2] for row in rows[: len(lines)]] == [line.text for line in lines]
        if first.step is not None:
            assert rows[len(lines)][0] == str(first.step.entry)
            assert rows[len(lines)][2].startswith("✕ ")


def test_the_story_says_what_each_boot_read_and_what_broke() -> None:
    run = mutant("bad-record-first")
    page = told(run)
    configs = [e.text for e in page.all("ul", class_="configs")]
    assert len(configs) == len(run.cases[0].story.sessions)
    assert configs[0] == (
        "config copy 0: sequencer 0xfffffffe, active slot 0, revert none, committed ← counts (only)"
        "config copy 1: erased"
    )
    assert configs[1] == (
        "config copy 0: sequencer 0xfffffffe, active slot 0, revert none, committed"
        "config copy 1: sequencer 0xfffffffd, active slot 1, revert slot 0, first boot pending "
        "← counts (smaller sequencer)"
    )
    (lost,) = page.all("ul", class_="broken")
    assert "BROKEN reverts: the new image was not committed, and is entered a second time" in lost.text


def test_torn_bytes_are_in_brackets_and_weak_ones_in_braces() -> None:
    run = mutant("config-crc-ignored")
    story = run.cases[0].story
    torn = next(session.torn for session in story.sessions if session.torn is not None)
    page = told(run)
    (dump,) = page.all("pre")
    lines = hexdump(torn.before, torn.after, torn.address, torn.weak)
    assert dump.text.splitlines() == [line.removeprefix("    ") for line in lines]
    changed = [f"[{new:02x}]" for old, new in zip(torn.before, torn.after, strict=True) if old != new]
    marks = [e.text for e in dump.inside if e.name == "mark"]
    assert marks == changed[: len(marks)]
    assert marks
    operation = Operation("program", "nor", 0, 4, b"\0" * 4, 0, 1)
    weak = Torn(operation, 0, b"\xff\xff\xff\xff", b"\x00\xff\x0f\xff", b"\x00\x03\x00\x00")
    sessions = [replace(session, torn=weak) if session.torn else session for session in story.sessions]
    case = Case(0, replace(story, sessions=sessions))
    page = Page(case_section(case, run.document["findings"][0], (), 1))
    (dump,) = page.all("pre")
    assert [(e.name, e.text) for e in dump.inside] == [("mark", "[00]"), ("em", "{ff}"), ("mark", "[0f]")]
    assert "2 weak bits" in page.source


@pytest.mark.parametrize("number", [1, 2])
def test_the_first_story_is_open_and_the_others_are_not(number: int) -> None:
    page = Page(broken().page)
    (details,) = page.all("details", within=f"case-{number}")
    assert ("open" in details.attributes) == (number == 1)


def test_a_run_without_findings_tells_no_case() -> None:
    page = Page(held().page)
    assert not page.has("case-1")
    assert not page.has("findings")
