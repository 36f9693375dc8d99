"""A campaign while it runs, as one JSON object per line: begun, progress, layer, finding, verdict; or failed.

Every line has the schema, the event and the seconds since the campaign began. A reader that does not know an event or
a key leaves it; SPEC.md describes them.

Neighbours: the CLI opens what lines go to and calls this; `document` has the facts of findings. Runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from emu.campaign.options import ANY, Options, Progress
from emu.campaign.verdict import Coverage
from emu.report.asked import Asked

SCHEMA = "brownout/events/1"
EVERY_S = 1.0
"""Progress is told at most this often."""

_OF_VERDICT = (
    "verdict", "complete", "depth", "depth_done", "depth_closed", "states", "edges", "edges_executed",
    "edges_inherited", "boots", "runs", "outcomes", "notes", "seconds", "digest",
)  # fmt: skip


class Narrator:
    """Tells one campaign. ``write`` takes a line without its end; ``seconds`` says how long it has been going on."""

    def __init__(self, write: Callable[[str], None], seconds: Callable[[], float]) -> None:
        self._write = write
        self._seconds = seconds
        self._layers = 0
        self._told_s = -EVERY_S

    def begun(self, asked: Asked, options: Options) -> None:
        """The campaign is about to begin."""
        self._tell(
            "begun",
            inputs={role: {"label": item.label, "sha256": item.digest} for role, item in asked.inputs.items()},
            depth="any" if options.depth == ANY else options.depth,
            attempts=options.attempts,
            tears=options.tears.name,
            events=list(options.events),
            seed=asked.seed,
        )

    def following(self, progress: Progress) -> Progress:
        """``progress``, and what it is told is told here too."""

        def told(coverage: Coverage, layer: int, where: str) -> None:
            progress(coverage, layer, where)
            self._layers_up_to(coverage.depth_done)
            if self._seconds() - self._told_s >= EVERY_S:
                self._told_s = self._seconds()
                self._tell("progress", depth=layer, where=where, boots=coverage.boots, runs=coverage.runs)

        return told

    def ended(self, document: Mapping[str, Any]) -> None:
        """The campaign has ended, and this is its document."""
        self._layers_up_to(document["depth_done"])
        for finding in document["findings"]:
            self._tell("finding", **finding)
        self._tell("verdict", findings=len(document["findings"]), **{key: document[key] for key in _OF_VERDICT})

    def failed(self, message: str) -> None:
        """There is not going to be a verdict."""
        self._tell("failed", message=message)

    def _layers_up_to(self, done: int) -> None:
        """Every number of interruptions whose states were all run, once and in order."""
        for depth in range(self._layers + 1, done + 1):
            self._tell("layer", depth=depth)
        self._layers = max(self._layers, done)

    def _tell(self, event: str, **facts: Any) -> None:
        line = {"schema": SCHEMA, "event": event, "at_s": round(self._seconds(), 3), **facts}
        self._write(json.dumps(line))
