"""May this caller call this method? Access rules first, then who he says he is.

Neighbours: `acl`, `digest`; `dispatcher` asks before it calls a handler. Knows no link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.ota.mongoose.acl import Acl, may
from emu.ota.mongoose.call import Channel, RpcError
from emu.ota.mongoose.digest import Algorithm, Challenge, Credentials, Passwords
from emu.ota.mongoose.wire import Request

FORBIDDEN = RpcError(403, "unauthorized")
BAD_REQUEST = RpcError(400, "bad request")
NO_PASSWORDS = RpcError(500, "failed to open password file")


@dataclass(frozen=True)
class Guard:
    """``acl``: none lets everybody call everything. ``passwords``: reads the password file, None if it cannot.

    Without ``passwords`` a rule that asks for a user can be met by a channel that knows its user, by nobody else.
    """

    acl: Acl | None = None
    passwords: Callable[[], Passwords | None] | None = None
    realm: str = "RPC"
    algorithm: Algorithm = Algorithm.MD5

    def admit(self, request: Request, channel: Channel, now_s: int) -> str | RpcError:
        """The user's name, empty where none was asked for; or the error to answer with."""
        if self.acl is None:
            return ""
        users = self.acl.users(request.method, channel.kind)
        if users in ("*", "+*"):
            return ""
        if users == "-*":
            return FORBIDDEN
        username = self._username(request.auth, now_s)
        if isinstance(username, RpcError):
            return username
        username = username or channel.username
        if not username:
            return RpcError(401, Challenge(self.realm, str(now_s), self.algorithm).message)
        return username if may(users, username) else FORBIDDEN

    def _username(self, auth: str, now_s: int) -> str | RpcError:
        """Empty: nothing was said, or it was not proved. Only what is malformed is an error."""
        if self.passwords is None or not auth:
            return ""
        said = Credentials.from_frame(auth)
        if said is None or (said.algorithm or Algorithm.MD5.value) != self.algorithm.value or said.realm != self.realm:
            return BAD_REQUEST
        if not said.is_fresh(now_s):
            return ""
        passwords = self.passwords()
        if passwords is None:
            return NO_PASSWORDS
        ha1 = passwords.find(said.username, said.realm)
        return said.username if ha1 is not None and said.is_right(ha1, self.algorithm) else ""
