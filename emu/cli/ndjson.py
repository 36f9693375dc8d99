"""`--ndjson`: a stream of events that can be followed while the campaign runs.

It is not made whole like other documents: each line is there as soon as it is told. A stream that cannot take any more
does not end the campaign; it is said when the result is out, with exit code 2. Neighbours: `run` tells, `report.ndjson`
has the words.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from emu.clock import Stopwatch
from emu.errors import UsageError
from emu.report.ndjson import Narrator
from emu.words import printable


@contextmanager
def narrated(target: Path | None) -> Iterator[Narrator]:
    """A narrator of one campaign into ``target``, from now on; "-" is stdout, None is nowhere.

    An exception that ends the campaign is told as well. Raises UsageError when a line could not be written.
    """
    stream = _Stream(target)
    narrator = Narrator(stream.write, stream.seconds)
    try:
        yield narrator
    except (Exception, KeyboardInterrupt) as wrong:
        narrator.failed(str(wrong) or type(wrong).__name__)
        raise
    finally:
        stream.close()
    if stream.wrong is not None:
        why = stream.wrong.strerror or stream.wrong
        raise UsageError(f"--ndjson: {printable(str(target))}: {why}; the events are not complete")


class _Stream:
    """Lines into ``target``, each flushed. ``wrong``: why they ended early."""

    def __init__(self, target: Path | None) -> None:
        self.wrong: OSError | None = None
        self._watch = Stopwatch()
        self._file: IO[str] | None = None
        self._is_stdout = str(target) == "-"
        if target is not None and not self._is_stdout:
            self._file = target.open("w", encoding="utf-8", newline="\n")

    def seconds(self) -> float:
        return self._watch.seconds

    def write(self, line: str) -> None:
        if self._is_stdout:  # whoever reads it and goes away ends the command, as for every document
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        elif self._file is not None and self.wrong is None:
            try:
                self._file.write(f"{line}\n")
                self._file.flush()
            except OSError as wrong:
                self.wrong = wrong

    def close(self) -> None:
        """What could not be flushed before cannot be now either, and was noted."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
