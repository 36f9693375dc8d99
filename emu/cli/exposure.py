"""`--exposure`: the cut times it names, read before the work begins.

Neighbours: `run` takes the option, `campaign.cut_times` reads the text, `report.exposure` shows what comes of it.
"""

from __future__ import annotations

from pathlib import Path

from emu.campaign.cut_times import UNIFORM, CutTimes, read_cut_times
from emu.campaign.options import ANY
from emu.errors import UsageError
from emu.words import printable

MOST_BYTES = 64 << 20


def cut_times(asked: str | None, depth: int) -> CutTimes | None:
    """What ``asked`` says; None: every moment alike. Raises UsageError."""
    if asked is None:
        return None
    if depth != ANY:
        raise UsageError("--exposure is for --depth any: it reads how likely each state is off what that search keeps")
    if asked == UNIFORM:
        return None
    return read_cut_times(_text(Path(asked)), printable(asked))


def exposure_file(asked: str | None) -> Path | None:
    """The file of the user's that is read."""
    return None if asked in (None, UNIFORM) else Path(str(asked))


def _text(path: Path) -> str:
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"--exposure: {name}: no such file; give a file of cut times, or uniform") from None
    except (OSError, ValueError) as wrong:
        raise UsageError(f"--exposure: {name}: cannot be read: {getattr(wrong, 'strerror', None) or wrong}") from None
    if len(raw) > MOST_BYTES:
        raise UsageError(f"--exposure: {name}: more than {MOST_BYTES >> 20} MiB; make a histogram of it: FROM,TO,COUNT")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--exposure: {name}: is no text file; write one cut per line, in microseconds") from None
