"""A Mongoose OS application on a device of ours: RPC, OTA, commit. What is in it lives as long as one boot.

A trial without a commit timeout commits as soon as it has started; one with a timeout waits for OTA.Commit, and the
board's hardware timer resets it where none comes. An answer leaves before the reboot that was asked for: a reboot is
due 100 ms later.

Neighbours: implements `node.Application`; `identity` says what the running image calls itself; links hand frames to
``dispatcher``. Knows no socket and no wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from emu.events import COMMIT_BEGUN, COMMIT_RETURNED, MERGE_FAILED, MERGED
from emu.ota.fetching import Fetcher
from emu.ota.mongoose.boot_state import BootControl
from emu.ota.mongoose.dispatcher import Dispatcher, Limits
from emu.ota.mongoose.guard import Guard
from emu.ota.mongoose.identity import Identities, Identity
from emu.ota.mongoose.jsontext import quoted
from emu.ota.mongoose.methods_ota import OtaMethods
from emu.ota.mongoose.methods_sys import SysMethods
from emu.ota.mongoose.ota import BeginOptions, OtaFailure, OtaService, Status
from emu.ota.mongoose.pull import Pull, PullEnd
from emu.ota.mongoose.settings import Settings
from emu.ota.mongoose.shadow import ShadowClient
from emu.ota.node import Booted
from updater.manifest import Claims

REBOOT_DELAY_MS = 100
MGOS_VERSION = "2.17.0"
"""Of Mongoose OS, as it calls itself to servers: the release whose methods these are."""


class MongooseApplication:
    """``settings`` and ``identities`` outlive it. ``fetcher``: its way to servers; None: none is reached.
    ``may_begin`` and ``tells``: the events OTA_BEGIN and OTA_STATUS."""

    def __init__(
        self,
        booted: Booted,
        settings: Settings,
        identities: Identities,
        *,
        guard: Guard | None = None,
        epoch_s: int = 0,
        fetcher: Fetcher | None = None,
        may_begin: Callable[[Claims], bool] | None = None,
        tells: Callable[[Status], None] = lambda status: None,
    ) -> None:
        self.booted = booted
        self.settings = settings
        self.identity: Identity = identities.of_slot(booted.session.device, booted.slot)
        self.ota = OtaService(
            booted,
            version=self.identity.version,
            build_id=self.identity.build_id,
            may_begin=self._noted(may_begin, identities),
            tells=self._told,
        )
        self.control = BootControl(booted, self.ota)
        self._tells = tells
        self.pull: Pull | None = None
        self._fetcher = fetcher
        self._polls_at_us: int | None = None
        self._plan_poll()
        self.shadow = self._make_shadow()
        rpc = settings.get("rpc")
        self.dispatcher = Dispatcher(
            (settings.get("device.id"),),
            guard or Guard(),
            Limits(rpc["max_frame_size"], rpc["max_queue_length"], rpc["max_non_persistent_channels"]),
            epoch_s=epoch_s,
        )
        SysMethods(settings, self.info, self.reboot).register(self.dispatcher.methods)
        OtaMethods(self.ota, self.control, self.reboot, self.begin_options, self.start_pull).register(
            self.dispatcher.methods
        )

    @property
    def now_us(self) -> int:
        """Uptime."""
        return self.booted.session.clock.now_us

    # -- node.Application ------------------------------------------------------------------------------------

    @property
    def due_us(self) -> int | None:
        times = (self.dispatcher.reboot_at_us, self.ota.deadline_us, self._polls_at_us)
        return min((at for at in times if at is not None), default=None)

    def started(self) -> None:
        """Carry the user's files over, then commit where nobody is to be waited for."""
        session, decision = self.booted.session, self.booted.decision
        if not decision.trial:
            return
        report = self.booted.firmware.merge(session, decision)
        if report is not None:
            if report.failed:
                session.log.note(MERGE_FAILED, report.failed)
                session.reset("software")
            session.log.note(MERGED, len(report.carried))
        if not decision.timeout_s:
            session.log.note(COMMIT_BEGUN)
            self.booted.firmware.commit(session)
            session.log.note(COMMIT_RETURNED)
        self.ota.tell()

    def tick(self) -> None:
        at_us = self.dispatcher.reboot_at_us
        if at_us is not None and self.now_us >= at_us:
            self.booted.session.reset("software")
        self.ota.expire()
        if self.pull is not None:
            self.pull.expired()
        if self._polls_at_us is not None and self.now_us >= self._polls_at_us:
            self._poll()

    # -- what methods ask for ----------------------------------------------------------------------------------

    def reboot(self, delay_ms: int | None = REBOOT_DELAY_MS) -> None:
        """Restart in ``delay_ms``; None: do not, after all."""
        self.dispatcher.reboot_at_us = None if delay_ms is None else self.now_us + delay_ms * 1000

    def begin_options(self) -> BeginOptions:
        """What an update is begun with where the caller does not say."""
        update = self.settings.get("update")
        return BeginOptions(update["timeout"], update["commit_timeout"])

    def info(self) -> Mapping[str, str]:
        """Sys.GetInfo: what a host model can know; memory and network members are not made up."""
        own = self.identity
        return {
            "id": quoted(self.settings.get("device.id")),
            "app": quoted(own.name),
            "fw_version": quoted(own.version),
            "fw_id": quoted(own.build_id),
            "mac": quoted(self.settings.get("device.mac")),
            "arch": quoted(self.booted.session.device.board.document.platform),
            "uptime": str(self.now_us // 1_000_000),
        }

    # -- pulling -----------------------------------------------------------------------------------------------

    def start_pull(self, url: str, options: BeginOptions, done: Callable[[PullEnd], None]) -> None:
        """Fetch an update and apply it; ``done`` is told, before the reboot that follows where it was applied.

        Raises OtaFailure where no update can begin.
        """
        if self._fetcher is None:
            raise OtaFailure(-10, "Failed to connect")

        def over(end: PullEnd) -> None:
            self.pull = None
            if end.applied:
                self.reboot()
            done(end)

        pull = Pull(self.ota, self._fetcher, self.request_headers(), options, over)
        pull.start(url)
        if not pull.is_over:
            self.pull = pull

    def request_headers(self) -> dict[str, str]:
        """What a server decides by. There is no ETag and no If-None-Match: an update server compares versions."""
        own, device = self.identity, self.settings.get("device")
        platform = self.booted.session.device.board.document.platform
        headers = {
            "X-MGOS-Device-ID": f"{device['id'] or '-'} {device['mac']}",
            "X-MGOS-FW-Version": f"{platform} {own.version} {own.build_id}",
            "User-Agent": f"{own.name}/{own.version} (MongooseOS/{MGOS_VERSION}; {platform})",
        }
        for line in self.settings.get("update.extra_http_headers").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip()] = value.strip()
        return headers

    def _plan_poll(self) -> None:
        update = self.settings.get("update")
        due = update["url"] and update["interval"] > 0
        self._polls_at_us = self.now_us + update["interval"] * 1_000_000 if due else None

    def _poll(self) -> None:
        """Ask the configured URL whether there is something newer; a poll that cannot be made is left out."""
        self._plan_poll()
        url = self.settings.get("update.url")
        if self.ota.context is not None or not url:
            return
        options = replace(self.begin_options(), ignore_same_version=True)
        with suppress(OtaFailure):
            self.start_pull(url, options, lambda end: None)

    # -- the shadow ----------------------------------------------------------------------------------------------

    def _make_shadow(self) -> ShadowClient | None:
        """None where the configuration has switched it off."""
        shadow = self.settings.get("shadow")
        if not (shadow["enable"] and shadow["ota_enable"]):
            return None
        return ShadowClient(
            self.settings.get("device.id"),
            self.settings.files,
            options=self.begin_options,
            pull=self.start_pull,
            status=self.ota.status,
            commit=self.control.commit,
            autocommit=shadow["autocommit"],
        )

    def _told(self, status: Status) -> None:
        self._tells(status)
        if self.shadow is not None:
            self.shadow.progressed(status)

    @staticmethod
    def _noted(may_begin: Callable[[Claims], bool] | None, identities: Identities) -> Callable[[Claims], bool]:
        """Remember what an image that arrives calls itself: once it runs, it knows that by itself."""

        def asked(claims: Claims) -> bool:
            identities.arrives(claims)
            return may_begin is None or may_begin(claims)

        return asked
