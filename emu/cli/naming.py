"""What was asked for, in words for a report, and as the arguments that ask for it again.

Neighbours: `inputs` has what was asked, `report` prints it; `run`, `replay` and `bench` bring both together. A rig
knows digests and sizes; names of files are known here alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from emu.cli.inputs import BUNDLED_PAIR, DEFAULT_APP, DEFAULT_BOARD, Inputs
from emu.link_choice import LINK_KINDS, LinkChoice
from emu.plain_rig import PlainRig
from emu.report.asked import Asked
from emu.rig import Input
from emu.source import Bundled
from emu.update_rig import UpdateRig
from emu.words import counted, printable
from flash.weak import DEFAULT_RESOLUTION

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig

OWN_APP = "its own"


def asked(rig: UpdateRig | PlainRig | ElfRig, inputs: Inputs) -> Asked:
    """The inputs of ``rig`` with labels a person can read, and the options a replay needs."""
    if isinstance(rig, UpdateRig):
        return _of_device(rig, inputs)
    return _of_scenario(rig, inputs) if isinstance(rig, PlainRig) else _of_elf(rig, inputs)


def _of_elf(rig: ElfRig, inputs: Inputs) -> Asked:
    known = rig.inputs
    workload = f"{rig.name} on {rig.board.chip.name}, timing {inputs.timing}, seed {inputs.seed}"
    return Asked(
        inputs={**known, "workload": _relabelled(known["workload"], workload)},
        files={},
        app=OWN_APP,
        timing=inputs.timing,
        seed=inputs.seed,
        resolution=inputs.resolution,
        versions=("", ""),
        arguments=arguments(inputs),
        updates=bool(rig.board.images),
    )


def _of_scenario(rig: PlainRig, inputs: Inputs) -> Asked:
    known = rig.inputs
    library = known.get("library")
    built = "" if library is None else f" with {library.label} (SHA-256 {library.digest[:8]}...)"
    is_design = isinstance(rig.scenario.source, Bundled)
    app = f"app {inputs.app}, " if is_design else ""
    workload = f"{app}timing {inputs.timing}, seed {inputs.seed}, weak bits {inputs.resolution}"
    return Asked(
        inputs={**known, "workload": _relabelled(known["workload"], f"{rig.name}{built}, {workload}")},
        files={},
        app=inputs.app if is_design else OWN_APP,
        timing=inputs.timing,
        seed=inputs.seed,
        resolution=inputs.resolution,
        versions=("", ""),
        arguments=arguments(inputs),
    )


def _of_device(rig: UpdateRig, inputs: Inputs) -> Asked:
    images, known = rig.images, rig.inputs
    app, link = (inputs.app, "") if inputs.link is None else (inputs.link.system, _over(inputs.link))
    labels = {
        "board": rig.board.name,
        "from": f"{file_name(inputs, 0)}, {len(images.old):,} bytes",
        "to": f"{file_name(inputs, 1)}, {len(images.new):,} bytes",
        "workload": (
            f"{rig.firmware.name} firmware, app {app}, timing {inputs.timing}, seed {inputs.seed}, "
            f"weak bits {inputs.resolution}, "
            f"versions {images.old_version} -> {images.new_version}{f', {link}' if link else ''}"
        ),
    }
    return Asked(
        inputs={role: _relabelled(item, labels.get(role, item.label)) for role, item in known.items()},
        files={"from": None if inputs.old is None else str(inputs.old),
               "to": None if inputs.new is None else str(inputs.new)},
        app=app,
        timing=inputs.timing,
        seed=inputs.seed,
        resolution=inputs.resolution,
        versions=(images.old_version, images.new_version),
        arguments=arguments(inputs),
        link=link,
    )  # fmt: skip


def arguments(inputs: Inputs) -> tuple[str, ...]:
    """The input options that ask for ``inputs`` again; those at their default are left out."""
    given = (
        ("--firmware", inputs.firmware, None),
        ("--from", inputs.old, None),
        ("--to", inputs.new, None),
        ("--board", inputs.board, DEFAULT_BOARD),
        ("--region", inputs.region, None),
        ("--board-id", None if inputs.board_id is None else f"{inputs.board_id:#x}", None),
        ("--app", inputs.app, DEFAULT_APP),
        ("--timing", inputs.timing, "typ"),
        ("--seed", inputs.seed, 0),
        ("--resolution", inputs.resolution, DEFAULT_RESOLUTION),
        *_link(inputs.link),
    )
    return tuple(word for option, value, default in given if value != default for word in (option, str(value)))


def _over(link: LinkChoice) -> str:
    """How the update comes, in words."""
    most = f"at most {counted(link.disturbed, 'frame')} of a path" if link.disturbed else "no frame"
    return f"a {link.system} client over a {link.kind}, {most} disturbed"


def _link(link: LinkChoice | None) -> tuple[tuple[str, object, object], ...]:
    if link is None:
        return ()
    return ("--ota", link.system, None), ("--link", link.kind, LINK_KINDS[0]), ("--disturb", link.disturbed, 0)


def file_name(inputs: Inputs, which: int) -> str:
    """The name of the file to start from (0) or to update to (1), as it was given, on one line."""
    given = (inputs.old, inputs.new)[which]
    return f"{BUNDLED_PAIR[which]} (bundled)" if given is None else printable(str(given))


def _relabelled(known: Input, label: str) -> Input:
    return replace(known, label=label)
