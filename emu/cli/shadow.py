"""`brownout shadow`: the shadow service of one device on a broker, and an update that is desired of it.

Neighbours: `emu.ota.mongoose.shadow_serving` serves, `shadow_fate` judges, `shadow_file` keeps. The log goes to stdout.
"""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emu.cli.port_options import DONE, LOST, MAX_SECONDS, NO
from emu.clock import Stopwatch
from emu.errors import UsageError
from emu.words import printable

if TYPE_CHECKING:
    from emu.ota.links.mqtt import Broker
    from emu.ota.mongoose.shadow_fate import Fate
    from emu.ota.mongoose.shadow_service import ShadowService

EXIT_INTERRUPTED = 130
DONE_S = 600.0
FILE = click.Path(path_type=Path)


@click.command("shadow")
@click.option("--mqtt", "url", required=True, metavar="URL",
              help="The broker: mqtt://[USER:PASSWORD@]HOST[:PORT].")  # fmt: skip
@click.option("--device-id", "thing", required=True, metavar="ID", help="The device, which is the shadow's thing.")
@click.option("--desire-url", metavar="URL", help="Desire the update at URL, as desired.ota.url, and wait for its end.")
@click.option("--desire", "document", type=FILE, metavar="FILE",
              help="Desire what FILE holds: JSON as `aws iot-data update-thing-shadow` takes it, "
                   '{"state": {"desired": {...}}}. With an ota.url in it, wait for its end.')  # fmt: skip
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, MAX_SECONDS), default=DONE_S, show_default=True,
              metavar="SECONDS", help="How long to wait for the end of an update.")  # fmt: skip
@click.option("--state", "state_file", type=FILE, metavar="FILE",
              help="Keep the shadow: read at the start if it is there, written after each change.")  # fmt: skip
def command(url: str, thing: str, desire_url: str | None, document: Path | None, timeout_s: float,
            state_file: Path | None) -> int:  # fmt: skip
    """Serve the shadow of a device through a broker, on the topics of AWS IoT, and print what the device reports.

    With an update that is desired it ends when the device has reported the end of it; a device that is not there
    catches up when it connects. Else it ends on Ctrl-C. The device may be an emulated one (`brownout serve --mqtt URL`)
    or a real one. Run one service for a device: two would both answer.

    Exit codes: 0 the update is applied, 1 the device says that it failed, 3 its end was not reported in time.
    """
    from emu.cli.output import check_writable
    from emu.ota.links.mqtt import Broker
    from emu.ota.mongoose.shadow_fate import Fate
    from emu.ota.mongoose.shadow_file import load_shadow
    from emu.ota.mongoose.shadow_service import ShadowService

    if not thing or set(thing) & set("+#/") or not thing.isprintable():
        raise UsageError(f"--device-id: {printable(thing)!r} cannot stand in a topic: no +, # or /")
    broker, service = Broker.parse(url), ShadowService()
    check_writable(state_file, (document,))
    if state_file is not None and state_file.exists():
        load_shadow(state_file, service, thing)
    wanted = _desire(service, thing, _document(desire_url, document))
    keeping = _Keeping(state_file, service, thing)
    keeping.changed()
    fate = Fate(wanted) if wanted else None
    code = EXIT_INTERRUPTED
    try:
        if fate is not None and "url" not in service.shadows[thing].delta.get("ota", {}):
            click.echo(f"{thing} has reported this update before: {printable(wanted)}")
            return DONE
        code = asyncio.run(_serve(broker, service, thing, fate, keeping, timeout_s))
    finally:
        keeping.end()
    return code


def _document(desire_url: str | None, path: Path | None) -> bytes:
    """The request to update the shadow; b"" for none."""
    from emu.ota.mongoose.shadow_service import MAX_DOCUMENT
    from flash.files import read_bounded

    if desire_url is not None and path is not None:
        raise UsageError("--desire-url and --desire are both given; write the URL into the file, as desired.ota.url")
    if desire_url is not None:
        if not desire_url:
            raise UsageError("--desire-url is empty; give the URL of a firmware .zip that the device can reach")
        return json.dumps({"state": {"desired": {"ota": {"url": desire_url}}}}).encode()
    if path is None:
        return b""
    try:
        return read_bounded(path, MAX_DOCUMENT) or b"{}"
    except OSError as wrong:
        raise UsageError(f"{path}: cannot be read ({wrong.strerror})") from None


def _desire(service: ShadowService, thing: str, request: bytes) -> str:
    """Change the shadow; the URL whose update is to be waited for, "" for none. Raises UsageError."""
    from emu.ota.mongoose.shadow_service import PREFIX
    from emu.ota.publishing import Message

    if not request:
        return ""
    answer = service.receive(Message(f"{PREFIX}{thing}/shadow/update", request))[0]
    said = json.loads(answer.payload)
    if not answer.topic.endswith("/accepted"):
        raise UsageError(
            f'--desire: {said["message"]} ({said["code"]}); write it as {{"state": {{"desired": {{"ota": '
            '{"url": "http://..."}}}}'
        )
    ota: Any = (said["state"].get("desired") or {}).get("ota")
    url = ota.get("url") if isinstance(ota, dict) else None
    return url if isinstance(url, str) else ""


async def _serve(broker: Broker, service: ShadowService, thing: str, fate: Fate | None, keeping: _Keeping,
                 timeout_s: float) -> int:  # fmt: skip
    from emu.cli.event_loop import tell_in_one_line
    from emu.ota.mongoose.shadow_serving import ShadowServing

    tell_in_one_line(lambda text: click.echo(f"brownout: {printable(text)}", err=True))
    watch, until, code = Stopwatch(), asyncio.Event(), LOST

    def said(text: str) -> None:
        click.echo(f"[{watch.seconds:12.3f}] {printable(text)}")

    def interrupted() -> None:
        nonlocal code
        code = EXIT_INTERRUPTED
        until.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    if fate is not None:
        loop.call_later(timeout_s, until.set)
    serving = ShadowServing(thing, service, fate=fate, said=said, changed=keeping.changed)
    await serving.run(broker, lambda: click.echo(_page(broker, service, thing)), until)
    if fate is not None and fate.is_over:
        return _told(fate, thing, str(broker))
    if fate is not None and code == LOST:
        click.echo(f"brownout: {printable(_silence(fate, thing, timeout_s))}", err=True)
    return code


def _page(broker: Broker, service: ShadowService, thing: str) -> str:
    shadow = service.shadows.get(thing)
    lines = [f"shadow     {thing} on {broker}, version {shadow.version if shadow else service.deleted.get(thing, 0)}"]
    if shadow is not None:
        lines.append(f"desired    {json.dumps(shadow.desired)}")
        lines.append(f"reported   {json.dumps(shadow.reported)}")
    return "\n".join([*lines, ""])


def _told(fate: Fate, thing: str, broker: str) -> int:
    """The device has said how its update ended."""
    message = printable(fate.message)
    if not fate.is_success:
        click.echo(f"brownout: {thing} says that its update failed: error {fate.code}: {message}", err=True)
        return NO
    click.echo(
        f"{thing} is done with {printable(fate.url)}: {message}\n"
        "it goes back to the image it had when its commit timeout is over, unless it commits by itself or is told:\n"
        f"  brownout call --port {broker}/{thing} OTA.Commit"
    )
    return DONE


def _silence(fate: Fate, thing: str, timeout_s: float) -> str:
    """What is known of an update whose end was not reported."""
    if fate.has_begun:
        return f"{thing} has not reported the end of its update in {timeout_s:g} s; the last was: {fate.message}"
    where = "it has asked for its shadow." if fate.has_asked else "is it on this broker, under this id?"
    return (
        f"{thing} has not begun its update in {timeout_s:g} s: {where} A device tries an URL once, and none while "
        "another update is under way or on trial"
    )


@dataclass
class _Keeping:
    """The file of a shadow, if one was asked for; trouble with it is told once, and at the end."""

    path: Path | None
    service: ShadowService
    thing: str
    _is_written: bool = field(init=False, default=True)

    def changed(self) -> None:
        from emu.ota.mongoose.shadow_file import save_shadow
        from flash.errors import ImageError

        if self.path is None:
            return
        was_written = self._is_written
        try:
            save_shadow(self.path, self.service, self.thing)
            self._is_written = True
        except ImageError as wrong:
            self._is_written = False
            if was_written:
                click.echo(f"brownout: {printable(str(wrong).rpartition(';')[0])}; the service goes on", err=True)

    def end(self) -> None:
        """Raises ImageError where the file does not hold the last of it."""
        from emu.ota.mongoose.shadow_file import save_shadow

        if self.path is not None and not self._is_written:
            save_shadow(self.path, self.service, self.thing)
