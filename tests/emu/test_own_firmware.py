"""Firmware in a file of the user's: what is found there, and what is said where nothing can be."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from emu.campaign.fresh import repeat_in_fresh_interpreter
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.own_firmware import load_own, load_source
from emu.plain_rig import PlainRig
from emu.rig_spec import rig_spec
from emu.scenario import Scenario
from emu.update_rig import ImagePair, UpdateRig
from tests.emu.helpers import NEW_APP, OLD_APP, board_with

FILE = """
from emu.firmware import ModelFirmware
from emu.scenario import Scenario, Window
from helper_beside import VALUE
from flash import put

def boot(reset):
    put(reset.flash["a"], 0, VALUE)

class Mine(ModelFirmware):
    name = "mine"

device = Scenario(boot, "w25q128jv", windows={"a": Window(0, 0x1000)})
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "helper_beside.py").write_text("VALUE = b'\\x5a'\n", encoding="utf-8")
    path = tmp_path / "own.py"
    path.write_text(FILE, encoding="utf-8")
    return path


def scenario_in(file: Path) -> Scenario:
    own = load_own(f"{file}:device")
    assert isinstance(own, Scenario)
    return own


def test_a_scenario_knows_where_it_came_from(file: Path) -> None:
    source = scenario_in(file).source
    assert source is not None
    assert (source.path, source.name) == (str(file), "device")
    assert source.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    inputs = PlainRig(scenario_in(file)).inputs
    assert (inputs["firmware"].label, inputs["firmware"].digest) == (f"{file}:device", source.digest)


def test_a_class_runs_on_a_board_and_is_named_among_the_inputs(file: Path) -> None:
    own = load_own(f"{file}:Mine")
    assert isinstance(own, type) and issubclass(own, ModelFirmware)
    rig = UpdateRig(board_with("demo"), ImagePair(OLD_APP, NEW_APP), firmware=own())
    assert rig.inputs["firmware"].label == f"{file}:Mine"
    assert "mine" in rig.inputs["workload"].label
    again = pickle.loads(pickle.dumps(rig_spec(rig))).resolve()
    assert again.inputs == rig.inputs
    assert ModelFirmware.source is None


def test_another_process_makes_the_same_rig(file: Path) -> None:
    rig = PlainRig(scenario_in(file), timing="max", seed=7, resolution="as-new")
    again = pickle.loads(pickle.dumps(rig_spec(rig))).resolve()
    assert again.inputs == rig.inputs
    assert repeat_in_fresh_interpreter(rig_spec(rig), [rig.initial(1)]) == []


def test_a_file_that_has_changed_is_refused_elsewhere(file: Path) -> None:
    source = scenario_in(file).source
    assert source is not None
    assert isinstance(load_source(source), Scenario)
    file.write_text(FILE + "\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="has changed since the campaign began"):
        load_source(source)


def test_a_scenario_from_no_file_stays_in_its_process(file: Path) -> None:
    rig = PlainRig(replace(scenario_in(file), source=None))
    assert "firmware" not in rig.inputs
    with pytest.raises(ScenarioError, match="came from no file"):
        rig_spec(rig)


def test_a_token_does_not_know_the_source_nor_the_path(file: Path, tmp_path: Path) -> None:
    """So a fix can be tried with the token that showed it was needed."""
    before = PlainRig(scenario_in(file)).inputs
    file.write_text(FILE.replace("put(reset", "put(reset "), encoding="utf-8")
    moved = tmp_path / "elsewhere" / "own.py"
    moved.parent.mkdir()
    moved.write_bytes(file.read_bytes())
    for path in (file, moved):
        after = PlainRig(scenario_in(path)).inputs
        assert {role for role in before if before[role].digest != after[role].digest} == {"firmware"}


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (FILE, "devise", "nothing is called 'devise' (did you mean `device`?); say which: :Mine, :device"),
        (FILE, "boot", "'boot' is a function, not a Scenario; make one of it: Scenario(boot, part, images=...)"),
        (FILE, "VALUE", "'VALUE' is a bytes, not a Scenario"),
        (FILE, "ModelFirmware", "'ModelFirmware' is a type, not a Scenario"),
        (FILE, "", "say which: :Mine, :device"),
        ("x = 1", "", "there is no Scenario in it, and no class derived from ModelFirmware"),
        ("def f(:\n", "device", "line 1: SyntaxError: invalid syntax"),
        ("x = 1\n\nraise KeyError('gone')", "device", "line 3: KeyError: 'gone'"),
        ("import no_such_module", "device", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys\nsys.exit(3)", "device", "line 2: SystemExit: 3"),
    ],
)
def test_what_is_not_there_is_one_line(file: Path, text: str, name: str, said: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as wrong:
        load_own(f"{file}:{name}" if name else str(file))
    assert str(wrong.value).startswith(f"{file}: ")
    assert said in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_name_may_be_left_out_where_there_is_one(file: Path) -> None:
    file.write_text(FILE.replace("(ModelFirmware)", ""), encoding="utf-8")
    assert isinstance(load_own(str(file)), Scenario)


@pytest.mark.parametrize("where", ["nowhere.py:device", "nowhere.py", "nowhere", "/", ":device"])
def test_a_file_that_is_not_there_is_one_line(where: str) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_own(where)


def test_a_name_that_is_none_is_refused_before_the_file_is_read() -> None:
    with pytest.raises(ScenarioError, match=r"is no name in a Python file; write FILE\.py:NAME"):
        load_own("nowhere.py:a-b")
