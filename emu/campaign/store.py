"""What earlier campaigns found, in a folder: one sqlite file, and a .gitignore of its own.

    campaigns   one row each: when, digests of the inputs, options, verdict, digest, the whole document (JSON)
    findings    one row per token and check: where, with what inputs, when first and last seen

A verdict never depends on a store. Writing is one transaction, so what was there stays whatever happens: a full disk, a
second process, a pulled plug. A file that is not ours, or of a newer version, is refused and left as it is.

Neighbours: `past` replays what is remembered here; the CLI opens a store and says what it thinks of it. Runs nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emu.campaign.edges import EVENT_NAMES, WHOLE, tears_in
from emu.campaign.options import Options
from emu.campaign.token import ROLES, Token, parse_token, token_for
from emu.campaign.verdict import CutPath, Verdict
from emu.clock import now_utc
from emu.errors import StoreError, TokenError
from emu.rig import Input
from flash.errors import ImageError
from flash.files import write_file

FILE_NAME = "campaigns.sqlite"
APPLICATION_ID = 0x62726F31  # "bro1": this file is ours
WAIT_S = 10.0
"""How long another process may hold the file."""

_STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE campaigns (
               id INTEGER PRIMARY KEY, at TEXT NOT NULL, board TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL,
               workload TEXT NOT NULL, options TEXT NOT NULL, verdict TEXT NOT NULL, digest TEXT NOT NULL,
               document TEXT NOT NULL)""",
        """CREATE TABLE findings (
               token TEXT NOT NULL, name TEXT NOT NULL, board TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL,
               workload TEXT NOT NULL, message TEXT NOT NULL, outcome TEXT NOT NULL, harsh INTEGER NOT NULL,
               first_seen TEXT NOT NULL, last_seen TEXT NOT NULL,
               PRIMARY KEY (token, name, board, old, new, workload))""",
        "CREATE INDEX findings_of ON findings (board, workload)",
    ),
)
"""What takes the schema from one version to the next; a new file begins at 0."""

SCHEMA_VERSION = len(_STEPS)


@dataclass(frozen=True, slots=True)
class PastFinding:
    """A path an earlier campaign found, and the check it broke then. ``readings``: as in a token."""

    check: str
    attempts: int
    path: CutPath
    outcome: str
    readings: tuple[str, ...] = ()


class Store:
    """An open store. Every method raises StoreError, one line, when the file cannot do what it is asked."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store in ``folder``, made when there is none."""
        path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            ignore = folder / ".gitignore"
            if not ignore.exists():
                write_file(ignore, b"*\n")
        except OSError as wrong:
            raise StoreError(f"{folder}: no store can be made there: {wrong.strerror}") from None
        except ImageError as wrong:
            raise StoreError(f"{folder}: no store can be made there: {wrong}") from None
        connection = None
        with _told(path):
            connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
        store = cls(path, connection)
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        self._connection.close()

    # -- what was found ------------------------------------------------------------------------------------

    def past_findings(self, inputs: Mapping[str, Input], options: Options) -> list[PastFinding]:
        """Findings a campaign like this one could make again, the mildest first: of the same board and workload, of the
        same number of attempts, by interruptions that ``options`` tries and weak cells read as it reads them. The
        images may be others: whether a path still exists in their update is found out by going there."""
        with _told(self.path):
            rows = self._connection.execute(
                "SELECT DISTINCT token, name, outcome FROM findings WHERE board = ? AND workload = ? "
                "AND typeof(token) = 'text' AND typeof(name) = 'text' "  # a damaged row is none
                "ORDER BY harsh, last_seen DESC, token",
                (inputs["board"].digest, inputs["workload"].digest),
            ).fetchall()
        found: dict[tuple[str, CutPath, tuple[str, ...]], PastFinding] = {}
        for text, name, outcome in rows:
            try:
                token = parse_token(text)
            except TokenError:
                continue  # of another version: its tears or its form are not known any more
            if token.attempts == options.attempts and _is_tried(token, options):
                past = PastFinding(name, token.attempts, token.path, outcome, token.readings)
                found.setdefault((name, token.path, token.readings), past)
        return sorted(found.values(), key=lambda finding: len(finding.path))

    def record(
        self, verdict: Verdict, inputs: Mapping[str, Input], options: Mapping[str, Any], document: Mapping[str, Any]
    ) -> None:
        """Keep a campaign and its findings; all of it or nothing."""
        now = now_utc()
        digests = [inputs[role].digest for role in ROLES]
        with self._transaction():
            self._connection.execute(
                "INSERT INTO campaigns (at, board, old, new, workload, options, verdict, digest, document) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (now, *digests, json.dumps(options), verdict.word, verdict.digest, json.dumps(document)),
            )
            self._connection.executemany(
                "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET last_seen = excluded.last_seen, message = excluded.message, "
                "outcome = excluded.outcome, harsh = excluded.harsh",
                [
                    (str(token_for(verdict.attempts_of(f), inputs, f.path, f.readings, f.fault)), f.key.check, *digests,
                     f.message, f.key.outcome, f.harsh, now, now)
                    for f in verdict.findings
                ],
            )  # fmt: skip

    # -- the file ------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make sure that the file is ours, and of this version."""
        with self._transaction():
            mark, version = self._number("application_id"), self._number("user_version")
            tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if mark != APPLICATION_ID and (mark or version or tables):
                raise StoreError(f"{self.path}: is a database of something else; give another --store DIR")
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path}: was written by a newer brownout (schema {version}, this one knows up to "
                    f"{SCHEMA_VERSION}); use that one, or another --store DIR"
                )
            for step in _STEPS[version:]:
                for statement in step:
                    self._connection.execute(statement)
            if version < SCHEMA_VERSION:
                self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _number(self, pragma: str) -> int:
        value: int = self._connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        return value

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of what is done inside, or nothing. Waits for another process, not for ever."""
        with _told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What sqlite says, as one line that says where and what to do."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):  # our own fault, and no matter of files
        raise
    except sqlite3.Error as wrong:
        said = str(wrong)
        if "locked" in said or "busy" in said:
            advice = f"another process holds it for more than {WAIT_S:g} s; try again, or give another --store DIR"
        elif "not a database" in said or "malformed" in said:
            advice = "it is damaged or no store; move it away, or give another --store DIR"
        elif "full" in said:
            advice = "make room; what was stored before is untouched"
        else:
            advice = "give another --store DIR, or --no-store"
        raise StoreError(f"{path}: {said}: {advice}") from None


def _is_tried(token: Token, options: Options) -> bool:
    """Whether a campaign with ``options`` makes interruptions like those of ``token``, and reads weak cells like it.
    What took another fault is not replayed."""
    if token.fault or (options.depth and len(token.path) > options.depth):
        return False
    if not set(token.readings) <= set(options.resolutions):
        return False
    for step in token.path:
        if step.how in EVENT_NAMES:
            if step.how not in options.events:
                return False
        elif step.how not in WHOLE:
            tiers = {tear.row.tier for tear in tears_in(step.how) if tear is not None}
            if not tiers <= set(options.tears.tiers):
                return False
    return True
