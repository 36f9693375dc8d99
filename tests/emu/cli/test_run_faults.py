"""`brownout run --faults`: what it prints and writes, what it refuses; and tokens with a fault in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.emu.cli.command import Brownout, pair, process
from tests.emu.html.pages import Page

BLIND = """
from emu.firmware import ModelFirmware
from updater.slot_writer import SlotWriter


class BlindWriter(SlotWriter):
    def _put(self, piece):
        self._erase_up_to(self._at + len(piece))
        self._program(self._at, piece)
        for sink in (self.crc, self.sha1, self.sha256):
            sink.update(piece)
        self._at += len(piece)


class Blind(ModelFirmware):
    name = "blind"
    writer_class = BlindWriter
"""


OWN = """
from emu.plain_rig import Window
from emu.scenario import Scenario
from flash import bundled_part

device = Scenario(lambda reset: None, bundled_part("W25Q128JV"), windows={"a": Window(0, 4096)}, name="own")
"""


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    return Brownout(capsys)


@pytest.fixture
def blind(tmp_path: Path) -> tuple[str, ...]:
    """Inputs with a finding that no power cut makes: an updater that looks at nothing it wrote."""
    path = tmp_path / "blind.py"
    path.write_text(BLIND, encoding="utf-8")
    return (*pair(tmp_path), "--firmware", f"{path}:Blind")


def test_faults_alone_hold_and_say_what_was_tried(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--faults", "wear,downgrade", "--tears", "none")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("HELD")
    (slot,) = [line for line in lines if line.startswith("  wear.slot-b")]
    assert "4 tried: 4 old image runs, committed; " in slot and slot.endswith("cuts of their lives")
    assert not any(line.startswith(("edges", "tried", "states")) for line in lines)
    assert "note: wear: retries not claimed: on a worn sector no update may ever succeed again" in lines
    (allowed,) = [line for line in lines if line.startswith("  no-older")]
    assert "not applicable" in allowed


def test_with_power_both_are_in_one_verdict(brownout: Brownout, tmp_path: Path) -> None:
    inputs = (*pair(tmp_path), "--tears", "none")
    alone = json.loads(brownout("run", *inputs, "--json", "-").out)
    both = json.loads(brownout("run", *inputs, "--faults", "power,wear", "--json", "-").out)
    faults = json.loads(brownout("run", *inputs, "--faults", "wear", "--json", "-").out)
    assert (alone["verdict"], both["verdict"], faults["verdict"]) == ("held", "held", "held")
    assert both["edges"] == alone["edges"] > 0 == faults["edges"]
    assert both["faults"] == faults["faults"]
    assert {count["kind"] for count in both["faults"]} == {"wear"}
    assert "faults" not in alone
    assert len({alone["digest"], both["digest"], faults["digest"]}) == 3
    assert "notices" in both["checks"] and "notices" not in alone["checks"]
    assert both["checks"]["boots"]["exercised"] > alone["checks"]["boots"]["exercised"]


def test_a_finding_is_in_every_document_with_a_token_that_replays(
    brownout: Brownout, blind: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    files = {name: tmp_path / f"out.{name}" for name in ("json", "junit", "html")}
    outputs = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    ran = brownout("run", *blind, "--faults", "wear", *outputs)
    assert ran.code == 1
    document = json.loads(files["json"].read_text(encoding="utf-8"))
    found = next(item for item in document["findings"] if item["check"] == "notices")
    assert found["fault"].startswith("wear.slot-b+0x0.from-1-")
    assert found["token"].endswith(f":uncut:{found['fault']}")
    assert "'" not in found["replay"].partition(" --")[0]  # a token needs no quotes
    assert sum(count["findings"] for count in document["faults"]) == len(document["findings"])
    assert f"brownout replay {document['findings'][0]['token']}" in ran.out
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert summary.count(document["findings"][0]["token"]) == 2  # in the table, and as a line to paste
    assert (found["count"], "notices: 1 finding, 1 life with a fault leads there; the mildest first" in ran.out) == (
        1,
        True,
    )
    assert f"\nfault {document['findings'][0]['fault']}\n  in the sector at 0x0 of slot-b" in ran.out
    assert (document["cuts_power"], document["notes"]) == (False, [])
    assert any(note.startswith("wear: retries not claimed") for note in document["fault_notes"])
    assert f"[{document['findings'][0]['fault'].partition('+')[0]}" in ran.out
    suite = ElementTree.fromstring(files["junit"].read_text(encoding="utf-8"))
    (case,) = [c for c in suite.iter("testcase") if c.get("name") == "notices"]
    failure = case.find("failure")
    assert failure is not None and failure.text is not None and found["token"].split(":")[-1] in failure.text
    said = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert str(said["faults wear"]).startswith("16 tried: ")
    assert "1 life with a fault leads to one" in files["html"].read_text(encoding="utf-8")
    page = Page(files["html"].read_text(encoding="utf-8"))
    assert {"faults", "faults-table"} <= {e.attributes.get("id") for e in page.elements}
    assert found["fault"] in files["html"].read_text(encoding="utf-8")
    replayed = brownout("replay", found["token"], *blind)
    assert (replayed.code, replayed.err) == (1, "")
    assert replayed.out.startswith(f"fault {found['fault']}\n  in the sector at 0x0 of slot-b, from its erase 1 on")
    assert "BROKEN notices: the update is announced, and no slot holds it" in replayed.out
    assert process("replay", found["token"], *blind).out == replayed.out


def test_a_token_of_a_cut_on_a_worn_sector_replays_as_well(brownout: Brownout, blind: tuple[str, ...]) -> None:
    """What the uncut life breaks is told once, without a cut; with one it is broken all the same."""
    document = json.loads(brownout("run", *blind, "--faults", "wear", "--json", "-").out)
    assert {item["cuts"] for item in document["findings"]} == {0}
    uncut = document["findings"][0]["token"]
    ran = brownout("replay", uncut.replace(":uncut:", ":0.4.prefix-1:"), *blind)
    assert ran.code == 1
    assert "*** POWER CUT" in ran.out


def test_the_right_firmware_holds_on_the_same_fault_and_names_it(brownout: Brownout, tmp_path: Path) -> None:
    inputs = pair(tmp_path)
    document = json.loads(
        brownout("run", *inputs, "--faults", "rest", "--only", "rest.1.config-1+0x8.", "--json", "-").out
    )
    (count,) = document["faults"]
    assert (count["tried"], count["outcomes"]) == (8, {"the old image boots": 8})
    base = ":".join(
        ["bo1", "1", *(document["inputs"][role]["sha256"][:8] for role in ("board", "from", "to", "workload"))]
    )
    ran = brownout("replay", f"{base}:uncut:rest.1.config-1+0x8.xor40", *inputs)
    assert (ran.code, ran.err) == (3, "")
    told = "fault rest.1.config-1+0x8.xor40\n  before boot 1, bit 6 of the byte at 0x8 of config-1 has flipped\n"
    assert ran.out.startswith(told)
    assert "CRC mismatch" in ran.out and ran.out.endswith("every check held on this path\n")
    ran = brownout("replay", f"{base}:uncut:image.manifest.body+0x4.xor01", *inputs)
    assert ran.code == 3 and "Invalid CRC: manifest.json" in ran.out
    for fault, said in (
        ("image.fs.body+0x1.xor01", "there is no fault image.fs.body+0x1.xor01 here: the update has manifest.header"),
        ("rest.0.nowhere+0x1.xor01", "there are 0.config-0"),
        ("wear.slot-a+0x0.from-1-erase-one", "the update wears slot-b+0x0.from-1"),
        ("downgrade.update.sideways", "the update is older or again"),
        ("fire.slot-a.now", "the token is altered: 'fire.slot-a.now' is no fault"),
    ):
        assert said in brownout.refused("replay", f"{base}:uncut:{fault}", *inputs)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--faults", "fire"), "--faults: 'fire' is none of power, image, rest, wear, downgrade, all"),
        (("--faults", "imgae"), "did you mean"),
        (("--faults", ""), "--faults: nothing is to go wrong"),
        (("--faults", "rest", "--only", "image."), "--only: names of faults begin with rest."),
        (("--only", "image."), "--only: names of faults begin with their kind; give --faults"),
        (("--faults", "wear", "--only", "wear.slot-z"), "--only: no fault of wear has a name that begins with"),
        (("--faults", "wear", "--mutants"), "--mutants speaks of power cuts"),
        (("--faults", "rest", "--certificate", "c.json"), "--certificate speaks of power cuts"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(brownout: Brownout, options: tuple[str, ...], said: str) -> None:
    assert said in brownout.refused("run", *options)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("rest", "--faults: the scenario names no images"),
        ("power,wear", "--faults: a scenario is tried with power, rest; wear needs a --board"),
    ],
)
def test_a_scenario_has_bit_errors_at_rest_where_it_has_images(
    brownout: Brownout, tmp_path: Path, faults: str, said: str
) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "from emu.scenario import Scenario\n"
        "def boot(reset): pass\n"
        "device = Scenario(boot, 'W25Q128JV', name='own')\n", encoding="utf-8",
    )  # fmt: skip
    assert brownout.refused("run", "--firmware", f"{path}:device", "--faults", faults).startswith(said)


def test_the_budget_ends_it_with_what_is_known(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--faults", "image", "--budget", "1s")
    assert ran.code == 3
    assert ran.out.startswith("INCONCLUSIVE")
    (told,) = [line for line in ran.out.splitlines() if line.startswith("complete")]
    assert re.fullmatch("complete   no: the budget is spent; [0-9,]+ faults? (was|were) tried", told)
    assert "image.manifest.header" in ran.out
