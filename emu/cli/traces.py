"""`--vcd` and `--perfetto`: a replayed token as files that viewers of waveforms and traces open.

Neighbours: `replay` follows the token, `report.recording` puts it in device time. Writers are loaded when asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from emu.campaign.replay import Story
from emu.cli.output import result_option, write_text
from emu.report.recording import record
from emu.rig import Subject

F = TypeVar("F", bound=Callable[..., Any])


def trace_options(function: F) -> F:
    """Adds both options."""
    vcd = result_option("vcd", "Write power, resets, images and flash operations as a waveform; -: to stdout.")
    perfetto = result_option("perfetto", "Write a trace that ui.perfetto.dev opens; -: to stdout, without the story.")
    return vcd(perfetto(function))


def write_traces(story: Story, rig: Subject, token: str, vcd_file: Path | None, perfetto_file: Path | None) -> None:
    """Write what was asked for."""
    if vcd_file is None and perfetto_file is None:
        return
    recording = record(story, {name: part.geometry for name, part in zip(rig.chip_names, rig.parts, strict=True)})
    if vcd_file is not None:
        from emu.report.vcd import to_vcd

        write_text(vcd_file, to_vcd(recording, token))
    if perfetto_file is not None:
        from emu.report.perfetto import to_perfetto

        write_text(perfetto_file, to_perfetto(recording, rig.inputs["board"].label, token))
