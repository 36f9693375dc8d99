"""A Mongoose OS device to be served: what outlives its boots, an application at each of them, its log, its links.

Neighbours: `application` is what runs, `serving` keeps it in time, `talks` and `http_front` are what its links talk to.
Opens no socket; makes the links that do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from emu.clock import epoch_s
from emu.device import EmulatedDevice
from emu.ota.fetching import Fetcher
from emu.ota.links.link import Send
from emu.ota.links.pty import PtyLink
from emu.ota.links.tcp import TcpLink
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.call import Channel
from emu.ota.mongoose.guard import Guard
from emu.ota.mongoose.http import PREFIX
from emu.ota.mongoose.http_front import HttpFront
from emu.ota.mongoose.identity import Identities
from emu.ota.mongoose.ota import Status
from emu.ota.mongoose.settings import Settings
from emu.ota.mongoose.shadow import subscriptions_of
from emu.ota.mongoose.talks import LARGEST_FRAME, BrokerTalk, MessageTalk, MqttTalk, Served, ShadowTalk, StreamTalk
from emu.ota.node import Booted, Node
from emu.ota.serving import Serving
from emu.words import printable
from updater.reception import OtaState

TOLD_EVERY_PERCENT = 10
PATIENCE_S = 10.0


@dataclass
class MongooseDevice:
    """``device`` has its flash filled. ``guard``: who may call what. ``fetcher``: its way to servers."""

    device: EmulatedDevice
    settings: Settings = field(default_factory=Settings)
    identities: Identities = field(default_factory=Identities)
    guard: Guard = field(default_factory=Guard)
    fetcher: Fetcher | None = None
    node: Node[MongooseApplication] = field(init=False)
    _serving: Served | None = field(init=False, default=None)
    _console: Send | None = field(init=False, default=None)
    _told: tuple[OtaState, str, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.node = Node(self.device, self._boot)

    def serving(self, *, fast: bool = False, said: Callable[[int, str], None]) -> Served:
        """To be called in a running event loop, once."""
        self._serving = Serving(self.node, fast=fast, said=said)
        return self._serving

    @property
    def beside(self) -> dict[str, Any]:
        """What stands beside the flash, as JSON has values."""
        return {
            "settings": self.settings.values,
            "files": self.settings.files,
            "identities": self.identities.plain,
        }

    def take(self, beside: dict[str, Any]) -> None:
        """Take over what `beside` once was. Raises SettingsError."""
        self.settings.merge(beside["settings"])
        self.settings.files.update(beside["files"])
        self.identities.take(beside["identities"])

    # -- links, before the device is switched on -------------------------------------------------------------

    def serial(self) -> PtyLink:
        """A UART, which shows the device's log between frames as well."""
        link = PtyLink(self._kept, lambda peer, send: self._stream(Channel("UART", "UART0"), send))
        self._console = link.send
        return link

    def tcp(self, host: str, port: int) -> TcpLink:
        return TcpLink(
            host, port, self._kept, lambda peer, send: self._stream(Channel("TCP", peer, is_persistent=False), send)
        )

    def http(self, host: str, port: int, *, patience_s: float = PATIENCE_S) -> Any:
        """HTTP and WebSockets. ``patience_s``: for a head, and for a body that is no upload. Raises MissingExtra."""
        from emu.ota.links.http_server import HttpLink

        serving = self._kept
        return HttpLink(
            host,
            port,
            serving,
            HttpFront(serving, body_s=patience_s).answer,
            lambda peer, send: MessageTalk(serving, Channel("WS_in", peer, is_persistent=False), send),
            socket_path=PREFIX,
            max_message=LARGEST_FRAME,
            head_s=patience_s,
        )

    def mqtt(self, url: str) -> Any:
        """Raises MissingExtra, and OtaError for what is no address."""
        from emu.ota.links.mqtt import Broker, MqttLink, can_publish_to

        serving, broker = self._kept, Broker.parse(url)

        def topics() -> Sequence[str]:
            return f"{self.device_id}/rpc", f"{self.device_id}/rpc/#", *subscriptions_of(self.device_id)

        def meet(publish: Callable[[str, bytes], None]) -> BrokerTalk:
            rpc = MqttTalk(serving, Channel("MQTT", str(broker)), self.device_id, publish, can_publish_to)
            return BrokerTalk(rpc, ShadowTalk(serving, publish))

        return MqttLink(
            broker,
            serving,
            lambda: self.device_id,
            topics,
            meet,
            said=serving.tell,
        )

    def servers(self) -> Any:
        """A way to servers over real sockets, for the updates it pulls. Raises MissingExtra."""
        from emu.ota.links.http_fetcher import HttpFetcher

        serving = self._kept
        self.fetcher = fetcher = HttpFetcher(serving, lambda act: serving.do(lambda app: act()))
        return fetcher

    @property
    def device_id(self) -> str:
        found: str = self.settings.get("device.id")
        return found

    @property
    def _kept(self) -> Served:
        assert self._serving is not None, "a link was made before the device is served: please report"
        return self._serving

    def _stream(self, channel: Channel, send: Send) -> StreamTalk:
        return StreamTalk(self._kept, channel, send, self.settings.get("rpc.max_frame_size"))

    # -- what its application does and tells -------------------------------------------------------------------

    def _boot(self, booted: Booted) -> MongooseApplication:
        self._told = None
        app = MongooseApplication(
            booted,
            self.settings,
            self.identities,
            guard=self.guard,
            epoch_s=epoch_s() - booted.session.clock.now_us // 1_000_000,
            fetcher=self.fetcher,
            tells=self._tells,
        )
        own, decision = app.identity, booted.decision
        trial = f", on trial for {decision.timeout_s} s" if decision.trial and decision.timeout_s else ""
        self._say(f"boot: {own.name} {own.version} ({own.build_id}) from slot {booted.slot}: {decision.why}{trial}")
        return app

    def _tells(self, status: Status) -> None:
        """Progress in steps, anything else as it comes."""
        told = (status.state, status.message, status.progress_percent // TOLD_EVERY_PERCENT)
        if status.state is OtaState.PROGRESS and self._told is not None and self._told[0] is status.state:
            if self._told[2] == told[2]:
                return
        elif self._told == told and status.state is not OtaState.IDLE:
            return
        self._told = told
        state = status.state.name.lower()
        done = f" {status.progress_percent} %" if status.state is OtaState.PROGRESS else ""
        message = "" if status.message == state else f": {status.message}"
        committed = "committed" if status.is_committed else "not committed"
        self._say(f"OTA: {state}{done}{message} (slot {status.partition}, {committed})")

    def _say(self, text: str) -> None:
        """Into the log, and onto the console of the device: its UART."""
        line = printable(text)
        self._kept.tell(line)
        if self._console is not None:
            console, data = self._console, f"{line}\r\n".encode("ascii", "replace").replace(b'"""', b"'''")
            self._kept.leave(lambda: console(data))
