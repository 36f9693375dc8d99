"""updater_context_create / updater_process / updater_finish: an update, from chunks to a slot ready to boot.

Sans-IO: chunks of any size come in, flash calls go out. Return values, states, messages and the order of checks
follow Mongoose OS ota-common 3567b13 (SPEC.md lists them); ``ctx.detail`` always says exactly what was wrong. The
boot config is written in `updater_finish` and nowhere else; the running slot is never written.

Neighbours: `reception` is the context itself, `target` says where it may write. Touches no socket, no file, no wall
clock.
"""

from __future__ import annotations

from bootloader.config_store import UPDATE_RESERVE
from updater.errors import UpdateRefused
from updater.reception import UpdaterContext, UpdateState
from updater.target import DEFAULT_TIMEOUT_S, UpdateTarget


def updater_context_create(
    target: UpdateTarget,
    timeout_s: int = 0,
    *,
    commit_timeout_s: int = 0,
    ignore_same_version: bool = False,
) -> UpdaterContext | None:
    """Begin an update; None, with the reason in ``target.log``, when this is not the moment.

    Refused while another update is in progress, while the boot config is unreadable, while the running image is
    not committed, and while the sequencer has too few records left to finish what would begin. ``timeout_s``
    (seconds without a chunk; 0 or less: 600) frees a stalled context; ``commit_timeout_s`` (0 to 2**32 - 1) goes into
    the config. Raises ValueError outside that range.
    """
    if not 0 <= commit_timeout_s <= 0xFFFF_FFFF:
        raise ValueError(f"commit_timeout_s {commit_timeout_s} does not fit the boot config: 0 to {0xFFFF_FFFF}")
    updater_expire(target)
    if target.context is not None and target.context.update_state is not UpdateState.FINISHED:
        return _not_now(target, "Update already in progress")
    config = target.store.read().config
    if config is None:
        return _not_now(target, "OTA is not supported")
    if not config.committed:
        return _not_now(target, "Previous update has not been committed yet")
    if target.store.remaining_writes() < UPDATE_RESERVE:
        return _not_now(target, f"OTA is not supported: the boot config takes fewer than {UPDATE_RESERVE} more records")
    timeout_s = timeout_s if timeout_s > 0 else DEFAULT_TIMEOUT_S
    target.say(f"Starting, timeout {timeout_s}, commit timeout {commit_timeout_s}")
    target.context = UpdaterContext(target, config, timeout_s, commit_timeout_s, ignore_same_version)
    return target.context


def updater_process(ctx: UpdaterContext, data: bytes) -> int:
    """Feed a chunk. 0: more is needed, or all data is parked; 1: finished without an update; below 0: refused."""
    if ctx.update_state is UpdateState.FINISHED:
        return ctx.result
    if updater_expire(ctx.target):
        return ctx.result
    ctx.feed(data)
    try:
        while ctx.step():
            pass
    except UpdateRefused as refused:
        return ctx.end(refused.code, refused.message, refused.detail)
    if data:
        ctx.rearm()
    return ctx.end(1, "", "") if ctx.result == 1 else 0


def updater_finish(ctx: UpdaterContext) -> int:
    """Apply: seal the slot and write the boot config. 1: reboot now (``need_reboot``); below 0: nothing new boots.

    Legal only when all data is parked; otherwise -1 and the update goes on.
    """
    if updater_expire(ctx.target):
        return ctx.result
    if ctx.update_state is not UpdateState.WRITE_FINISHED:
        ctx.status_msg = ctx.status_msg or "Wrong state for finalize"
        ctx.detail = ctx.detail or f"the update is in state {ctx.update_state.name}, not WRITE_FINISHED"
        return -1
    try:
        ctx.finalize()
    except UpdateRefused as refused:
        return ctx.end(refused.code, refused.message, refused.detail)
    ctx.need_reboot = True
    return ctx.end(1, "", "the new image boots next")


def updater_expire(target: UpdateTarget) -> bool:
    """Free a context that saw no chunk for its timeout. True when it did. To be called by the main loop."""
    ctx = target.context
    if ctx is None or ctx.update_state is UpdateState.FINISHED or target.clock.now_us < ctx.deadline_us:
        return False
    ctx.end(-1, "Update timed out", "no chunk arrived within the timeout")
    target.context = None
    return True


def updater_context_free(ctx: UpdaterContext) -> None:
    """Abandon the update, if it is not finished; another one can begin."""
    if ctx.update_state is not UpdateState.FINISHED:
        ctx.end(-1, "", "the update was abandoned")
    if ctx.target.context is ctx:
        ctx.target.context = None


def _not_now(target: UpdateTarget, message: str) -> UpdaterContext | None:
    target.say(message)
    return None
