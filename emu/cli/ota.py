"""`brownout ota`: update a device over any link, as the vendor's command line client does.

Neighbours: `emu.ota.mongoose.updating` is the update, `session` runs it, `ota_firmware` reads what is sent. Progress on
stderr, on a terminal alone.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import click

from emu.cli.ota_firmware import Archive, is_url, read_archive
from emu.cli.port_options import DONE, LOST, NO, baud_option, caller_of, caller_options, port_option, refusal
from emu.clock import Stopwatch
from emu.errors import UsageError
from emu.ota.mongoose.client import Caller, RpcClient
from emu.ota.mongoose.ports import Port
from emu.ota.mongoose.session import Session
from emu.ota.mongoose.updating import (
    CHUNK_SIZE,
    COMMIT_TIMEOUT_S,
    REBOOT_TIMEOUT_S,
    UPDATE_TIMEOUT_S,
    Order,
    Step,
    Update,
    Updating,
    begin_params,
    pull_params,
)
from emu.words import counted, printable

MAX_CHUNK, MAX_TIMEOUT_S = 1 << 20, (1 << 31) - 1
Show = Callable[[Update], None]


@click.command("ota")
@port_option
@baud_option
@caller_options
@click.option(
    "--chunk-size",
    type=click.IntRange(1, MAX_CHUNK),
    default=CHUNK_SIZE,
    show_default=True,
    help="Bytes of the archive in each OTA.Write; a device takes frames of 4,096 bytes, base64 and all.",
)
@click.option(
    "--update-timeout",
    type=click.IntRange(1, MAX_TIMEOUT_S),
    default=UPDATE_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Without progress for so long, the device gives up.",
)
@click.option(
    "--commit-timeout",
    type=click.IntRange(0, MAX_TIMEOUT_S),
    default=COMMIT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Without OTA.Commit for so long, the device goes back; 0: it commits by itself.",
)
@click.option(
    "--wait-reboot", is_flag=True, help="Wait until the device is back, and make sure that the new image runs."
)
@click.option("--commit", is_flag=True, help="Call OTA.Commit then; waits for the restart too.")
@click.option(
    "--reboot-timeout",
    type=click.IntRange(1, 86_400),
    default=REBOOT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the restart.",
)
@click.option("--pull", is_flag=True, help="Tell the device to fetch URL by itself (OTA.Update).")
@click.option("--unchecked", is_flag=True, help="Send FILE whatever is in it, to see what the device says.")
@click.argument("source", metavar="FILE|URL")
@click.argument("begin", metavar="[BEGIN_JSON]", default="")
def command(port: str, baud: int, creds: str, timeout_s: float, chunk_size: int, update_timeout: int,
            commit_timeout: int, wait_reboot: bool, commit: bool, reboot_timeout: int, pull: bool, unchecked: bool,
            source: str, begin: str) -> int:  # fmt: skip
    """Update the device at PORT with a firmware .zip.

    FILE is sent, or what URL holds: OTA.Status, OTA.Begin, OTA.Write for each chunk (three tries each), OTA.End. With
    --pull the device fetches URL itself: OTA.Update. BEGIN_JSON replaces the params of OTA.Begin or OTA.Update. The
    device may be an emulated one (`brownout serve`) or a real one.

    Exit codes: 0 done, 1 the device refused or runs another image, 3 the link was lost or no answer came.
    """
    if pull and not is_url(source):
        raise UsageError(f"--pull: {printable(source)} is no URL; without --pull it is sent as a file")
    archive = None if pull else read_archive(source, checked=not unchecked)
    order = Order(
        archive=b"" if archive is None else archive.content,
        begin=_begin(begin) if begin
        else pull_params(source, timeout_s=update_timeout, commit_timeout_s=commit_timeout) if archive is None
        else begin_params(len(archive.content), timeout_s=update_timeout, commit_timeout_s=commit_timeout),
        url=source if pull else "",
        chunk_size=chunk_size,
        timeout_us=int(timeout_s * 1e6),
        pull_timeout_us=update_timeout * 1_000_000,
        reboot_timeout_us=reboot_timeout * 1_000_000 if wait_reboot or commit else 0,
        commits=commit,
    )  # fmt: skip
    link, caller = Port(port, caller_of(creds), baud).link()
    updating, stages = Updating(order), _Stages()
    with Session(link, RpcClient(caller)) as session:
        with _progress(order) as show:
            started = updating.start(session.client, session.now_us)

            def changed(state: Update) -> None:
                stages.note(state)
                show(state)

            update = session.run(updating, *started, changed)
        if update.failure is not None:
            text = _failure(update, session, caller)
            click.echo(f"brownout: {printable(text)}", err=True)
            return NO if update.failure.refused else LOST
    click.echo(_page(update, order, archive, port, stages.writing_s))
    return DONE


class _Stages:
    """How long the chunks took."""

    def __init__(self) -> None:
        self.writing_s = 0.0
        self._watch = Stopwatch()
        self._begun_s = 0.0

    def note(self, update: Update) -> None:
        if update.step is Step.BEGINNING:
            self._begun_s = self._watch.seconds
        elif update.step is Step.ENDING:
            self.writing_s = self.writing_s or self._watch.seconds - self._begun_s


def _begin(text: str) -> str:
    try:
        params = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise UsageError(f"BEGIN_JSON is no JSON: {wrong}") from None
    if not isinstance(params, dict):
        raise UsageError("BEGIN_JSON is no object; write it like '{\"commit_timeout\": 60}'")
    return text.replace("\r", " ").replace("\n", " ")


def _failure(update: Update, session: Session, caller: Caller) -> str:
    assert update.failure is not None, "an update that did not fail is explained: please report"
    text = update.failure.message
    if update.failure.refused:
        return refusal(text, update.failure.code, caller)
    if session.why_lost:
        return f"{text} ({session.why_lost})"
    return f"{text} ({session.link.hint})" if session.link.hint else text


def _page(update: Update, order: Order, archive: Archive | None, port: str, seconds: float) -> str:
    """What was done, and what is left to do, ready to paste."""
    lines = []
    if archive is None:
        lines.append(f"the device has fetched {order.url}{f': {update.message}' if update.message else ''}")
    else:
        chunks = -(-len(archive.content) // order.chunk_size)
        again = f", {update.repeated} sent again" if update.repeated else ""
        rate = f"{seconds:.1f} s, {len(archive.content) / 1024 / max(seconds, 1e-9):,.1f} KiB/s"
        lines.append(printable(archive.shown))
        lines.append(f"{len(archive.content):,} bytes in {counted(chunks, 'chunk')}{again}: {rate}")
    if update.is_committed:
        lines.append("the device is back with it, and it is committed")
        return "\n".join(lines)
    is_back = update.is_committed is not None
    timeout_s = update.commit_timeout_s if is_back else json.loads(order.begin).get("commit_timeout")
    where = "is back with it" if is_back else "restarts into it"
    if timeout_s == 0 and not is_back:
        lines.append(f"the device {where}; it commits by itself")
    else:
        until = f"in {timeout_s} s" if timeout_s else "when its commit timeout is over"
        lines.append(f"the device {where}, and goes back {until} unless it is told:")
        lines.append(f"  brownout call --port {shlex.quote(port)} OTA.Commit")
    return "\n".join(lines)


def _progress(order: Order) -> AbstractContextManager[Show]:
    """A bar on a terminal; nothing where stderr is a file."""
    if not sys.stderr.isatty():
        return nullcontext(lambda update: None)
    return _Bar(order)


class _Bar:
    """A bar of the bytes written, with the step that is under way."""

    def __init__(self, order: Order) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._total = len(order.archive)
        self._step = Step.ASKING
        self._task = self._progress.add_task(Step.ASKING.value, total=self._total or None)

    def __enter__(self) -> Show:
        self._progress.start()
        return self._show

    def __exit__(self, *wrong: object) -> None:
        self._progress.stop()

    def _show(self, update: Update) -> None:
        done, is_new = min(update.offset, self._total), update.step is not self._step
        self._step = update.step
        self._progress.update(self._task, completed=done, description=update.step.value, refresh=is_new)
