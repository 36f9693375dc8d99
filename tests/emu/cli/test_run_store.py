"""`brownout run` and its store: past findings first, and a store that is in the way is no reason to stop."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from emu.campaign.store import FILE_NAME, Store
from emu.cli.store import SWITCH
from emu.errors import StoreError
from tests.emu.cli.command import Brownout, Ran, pair, stuck_board


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is run; results are kept."""
    monkeypatch.delenv(SWITCH)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def stuck(brownout: Brownout, folder: Path, *more: str) -> Ran:
    """A campaign with findings."""
    return brownout("run", *pair(folder.parent), "--board", str(stuck_board(folder.parent)), "--app", "hangs",
                    "--tears", "none", *more)  # fmt: skip


def campaigns(store: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(store / FILE_NAME)) as connection:
        return connection.execute("SELECT verdict, digest FROM campaigns").fetchall()


def digest_in(page: str) -> str:
    return next(line.split()[1] for line in page.splitlines() if line.startswith("digest "))


def test_results_are_kept_and_past_findings_replayed_first(brownout: Brownout, folder: Path) -> None:
    first, second = stuck(brownout, folder), stuck(brownout, folder)
    assert (first.code, first.err) == (1, "")
    assert second.code == 1
    said, of = second.err.split()[2], second.err.split()[4]
    assert second.err == f"past findings: {said} of {of} still reproduce\n"
    assert said == of != "0"
    assert digest_in(first.out) == digest_in(second.out)
    assert campaigns(folder / ".brownout") == [("findings", digest_in(first.out))] * 2


def test_a_verdict_does_not_depend_on_the_store(brownout: Brownout, folder: Path) -> None:
    documents = []
    for name, option in (("1", ()), ("2", ()), ("3", ("--no-store",))):
        target = folder / f"{name}.json"
        stuck(brownout, folder, "--json", str(target), *option)
        documents.append(json.loads(target.read_text()) | {"seconds": 0})
    assert documents[0] == documents[1] == documents[2]


def test_a_kept_document_is_the_one_of_json(brownout: Brownout, folder: Path) -> None:
    stuck(brownout, folder, "--json", str(folder / "out.json"))
    with closing(sqlite3.connect(folder / ".brownout" / FILE_NAME)) as connection:
        ((document, options),) = connection.execute("SELECT document, options FROM campaigns").fetchall()
    assert json.loads(document) == json.loads((folder / "out.json").read_text())
    assert json.loads(options)["tears"] == "none"
    assert "--app" in json.loads(options)["arguments"]


def test_no_store_keeps_nothing(brownout: Brownout, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck(brownout, folder, "--no-store")
    monkeypatch.setenv(SWITCH, "1")
    stuck(brownout, folder)
    assert list(folder.iterdir()) == []
    stuck(brownout, folder, "--store", "mine")
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert len(campaigns(folder / "mine")) == 1


def test_a_default_store_that_cannot_be_is_a_note_and_the_campaign_goes_on(brownout: Brownout, folder: Path) -> None:
    (folder / ".brownout").write_text("in the way")
    ran = stuck(brownout, folder)
    assert ran.code == 1
    assert "FINDINGS" in ran.out
    assert ran.err.startswith("note: .brownout: no store can be made there")
    assert len(ran.err.splitlines()) == 1
    assert (folder / ".brownout").read_text() == "in the way"


def test_a_default_store_that_is_damaged_is_a_note_and_stays_as_it_is(brownout: Brownout, folder: Path) -> None:
    (folder / ".brownout").mkdir()
    (folder / ".brownout" / FILE_NAME).write_bytes(b"not a database at all, " * 100)
    ran = stuck(brownout, folder)
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "it is damaged or no store; move it away" in ran.err
    assert (folder / ".brownout" / FILE_NAME).read_bytes() == b"not a database at all, " * 100


def test_a_store_that_was_named_must_work(brownout: Brownout, folder: Path) -> None:
    (folder / "file").write_text("")
    assert "no store can be made there" in brownout.refused("run", "--store", "file/store")
    (folder / "bad").mkdir()
    (folder / "bad" / FILE_NAME).write_bytes(b"not a database at all, " * 100)
    assert brownout.refused("run", "--store", "bad").startswith(
        f"bad/{FILE_NAME}: file is not a database: it is damaged"
    )
    assert "contradict each other" in brownout.refused("run", "--store", "bad", "--no-store")


def test_a_result_that_cannot_be_kept_is_printed_all_the_same(
    brownout: Brownout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise StoreError("campaigns.sqlite: database or disk is full: make room")

    monkeypatch.setattr(Store, "record", full)
    ran = stuck(brownout, folder, "--store", "mine")
    assert ran.code == 1
    assert "FINDINGS" in ran.out
    assert ran.err == "note: campaigns.sqlite: database or disk is full: make room (this result is not kept there)\n"


def test_no_result_is_written_over_the_store(brownout: Brownout, folder: Path) -> None:
    stuck(brownout, folder)
    said = brownout.refused("run", *pair(folder.parent), "--json", f".brownout/{FILE_NAME}")
    assert "would be overwritten" in said
    assert len(campaigns(folder / ".brownout")) == 1
