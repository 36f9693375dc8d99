"""A whole update as the vendor's client makes it on a serial port, byte for byte, and the commit after the reboot."""

from __future__ import annotations

import zlib

from emu.ota.mongoose.call import Call, Channel, RpcError
from emu.ota.mongoose.dispatcher import Dispatcher
from emu.ota.mongoose.framing import Received
from emu.ota.mongoose.serial_client import SerialClient
from emu.ota.mongoose.serial_device import SerialDevice
from emu.ota.mongoose.wire import Request

UART = Channel("UART", "UART0")
STATUS = '{"state":0,"message":"idle","is_committed":true,"progress_percent":0,"commit_timeout":0,"partition":0}'
BOOT_STATE = '{"active_slot": 1, "is_committed": false, "revert_slot": 0, "commit_timeout": 300}'


def on_the_wire(json_text: str) -> bytes:
    data = json_text.encode()
    return b'\n"""' + data + b"%08x" % zlib.crc32(data) + b'"""\n'


class Updated:
    """Just enough of a device to answer as the trace says."""

    def __init__(self) -> None:
        self.port = SerialDevice()
        self.calls: list[tuple[str, str]] = []
        self.is_committed = False
        self.rpc = Dispatcher(("dev",))
        for name in ("Begin", "Write", "End"):
            self.rpc.methods.register(f"OTA.{name}", "", self._null)
        self.rpc.methods.register("OTA.Status", "", lambda _call: STATUS)
        self.rpc.methods.register("OTA.GetBootState", "", lambda _call: BOOT_STATE)
        self.rpc.methods.register("OTA.Commit", "", self._commit)

    def _null(self, call: Call) -> str:
        self.calls.append((call.method, call.params))
        return ""

    def _commit(self, _call: Call) -> str | RpcError:
        if self.is_committed:
            return RpcError(-1)
        self.is_committed = True
        return ""

    def hear(self, data: bytes) -> bytes:
        self.port.receive(data)
        for event in self.port.events():
            assert isinstance(event, Received) and event.checked
            assert self.rpc.receive(event.frame, UART, 0, self.port.send) is None
        return self.port.data_to_send()


def test_the_worked_trace() -> None:
    client, device = SerialClient(), Updated()
    number = 1099511627776

    def ask(method: str, params: str = "") -> str:
        """One call over the wire; what went out is checked byte for byte, the answer comes back as JSON."""
        nonlocal number
        number += 1
        client.send(Request(method, str(number), params, src="mos").emit(), 0)
        sent = client.data_to_send()
        middle = f',"params":{params}' if params else ""
        assert sent == on_the_wire(f'{{"src":"mos","id":{number},"method":"{method}"{middle}}}')
        heard = device.hear(sent)
        client.receive(heard)
        (event,) = client.events()
        assert isinstance(event, Received) and event.checked
        # the two empty lines before our frame and the one behind it are answered with line ends
        assert heard == b"\n\n" + on_the_wire(event.frame.decode()) + b"\n"
        return event.frame.decode().removeprefix(f'{{"id":{number},"src":"dev","dst":"mos",').removesuffix("}")

    client.send(Request("OTA.Status", str(number), src="mos").emit(), 0)
    greeting = client.data_to_send()
    assert greeting == bytes.fromhex("222222 04 222222 0a 0a")
    heard = device.hear(greeting)
    assert heard == bytes.fromhex("0a 222222 04 222222 0a 0a")
    client.receive(heard)
    first = client.data_to_send()
    status = '{"src":"mos","id":1099511627776,"method":"OTA.Status"}'
    assert first == b'"""' + on_the_wire(status)
    heard = device.hear(first)
    assert (
        heard == b"\n\n\n" + on_the_wire('{"id":1099511627776,"src":"dev","dst":"mos","result":' + STATUS + "}") + b"\n"
    ), "three empty lines before the frame and one behind it are answered with line ends"
    client.receive(heard)
    assert len(client.events()) == 1

    begin = '{"timeout":600,"commit_timeout":300,"size":700}'
    assert ask("OTA.Begin", begin) == '"result":null'
    write = '{"offset":0,"data":"UEsDBA=="}'
    assert ask("OTA.Write", write) == '"result":null'
    assert ask("OTA.End") == '"result":null'
    assert device.calls == [("OTA.Begin", begin), ("OTA.Write", write), ("OTA.End", "")]

    device.port = SerialDevice()  # it reboots: it no longer knows how it was spoken to
    assert ask("OTA.GetBootState") == f'"result":{BOOT_STATE}'
    assert ask("OTA.Commit") == '"result":null'
    assert ask("OTA.Commit") == '"error":{"code":-1}'
