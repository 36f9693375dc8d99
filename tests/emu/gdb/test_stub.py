"""The protocol by its bytes: packets, commands on a made-up target, and whatever else may come."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.gdb.packets import MAX_PACKET, NotGdb, Packet, PacketStream, packet
from emu.gdb.stub import Leave, Stub
from emu.gdb.target import Denied, Exited, Go, PlaceKind, Register, Span, Stop

RAM = 0x2000_0000


class Toy:
    """Sixteen registers of 32 bits and one of 64, 256 bytes of RAM; the rest is denied."""

    def __init__(self) -> None:
        self.values = [*range(16), 1 << 40]
        self.ram = bytearray(range(256))
        self.places: set[tuple[PlaceKind, int, int]] = set()
        self.said: list[str] = []

    @property
    def registers(self) -> Sequence[Register]:
        return [*(Register(f"r{n}", "main") for n in range(16)), Register("d0", "floats", 64, "ieee_double")]

    @property
    def spans(self) -> Sequence[Span]:
        return [Span("flash", 0x0800_0000, 0x1000, 0x400), Span("ram", RAM, 256)]

    def read_register(self, number: int) -> int:
        return self.values[number]

    def write_register(self, number: int, value: int) -> None:
        self.values[number] = value

    def read_memory(self, address: int, length: int) -> bytes:
        if not RAM <= address < RAM + 256:
            raise Denied("nothing there")
        return bytes(self.ram[address - RAM :][:length])

    def write_memory(self, address: int, data: bytes) -> None:
        if not RAM <= address <= RAM + 256 - len(data):
            raise Denied("flash is not written from gdb")
        self.ram[address - RAM : address - RAM + len(data)] = data

    def stop_at(self, kind: PlaceKind, address: int, size: int) -> None:
        self.places.add((kind, address, size))

    def pass_by(self, kind: PlaceKind, address: int, size: int) -> None:
        self.places.discard((kind, address, size))

    def command(self, text: str) -> str:
        self.said.append(text)
        if text == "no":
            raise Denied("it cannot be")
        return "" if text == "quiet" else f"{text}!\n"


def asked(stub: Stub, command: bytes) -> bytes | Go:
    """What ``command`` is answered with, without the frame around it."""
    stub.receive(packet(command))
    answer = stub.answer()
    assert answer is not None
    if isinstance(answer, Go):
        return answer
    stream = PacketStream()
    stream.feed(answer)
    event = stream.next()
    assert isinstance(event, Packet)
    return event.data


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def stub(toy: Toy) -> Stub:
    return Stub(toy)


# -- packets ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.integers(1, 7))
def test_a_packet_is_read_as_it_was_written_in_pieces_of_any_size(data: bytes, size: int) -> None:
    wire, stream, found = packet(data), PacketStream(), []
    assert wire.count(b"#") == 1
    for at in range(0, len(wire), size):
        stream.feed(wire[at : at + size])
        event = stream.next()
        if event is not None:
            found.append(event)
    assert found == [Packet(data)]


def test_a_packet_with_a_wrong_checksum_is_asked_for_again(stub: Stub) -> None:
    stub.receive(b"$g#00")
    assert stub.answer() == b"-"
    first = asked(stub, b"p0")
    stub.receive(b"-")
    again = stub.answer()
    assert again == packet(first)


def test_ctrl_c_is_heard_while_the_core_runs_and_packets_wait(stub: Stub) -> None:
    stub.receive(b"+\x03" + packet(b"?"))
    assert stub.interrupts()
    assert not stub.interrupts()
    assert stub.answer() == b"+" + packet(b"T05thread:1;")


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"$" + b"a" * (2 * MAX_PACKET + 2)])
def test_what_gdb_would_never_send_is_told(stub: Stub, junk: bytes) -> None:
    stub.receive(junk)
    with pytest.raises(NotGdb, match="it does not speak gdb's remote protocol: "):
        stub.answer()


HEADS = [
    b"g", b"G", b"p", b"P1", b"m0,", b"M20000000,4:", b"X", b"Z9,0,0", b"Z2,fffffffff,1", b"z0,", b"vCont;x", b"vKill",
    b"qRcmd,zz", b"qRcmd,", b"qXfer:features:read:target.xml:f,f", b"qXfer:memory-map:read::fffffffff,1", b"qXfer:",
    b"H", b"c1", b"S", b"P1=00", b"?", b"D", b"QStartNoAckMode",
]  # fmt: skip
TAILS = st.binary(max_size=6) | st.text("0123456789abcdef,;:=", max_size=12).map(str.encode)
COMMANDS = st.tuples(st.sampled_from(HEADS), TAILS).map(lambda each: packet(each[0] + each[1]))


@given(st.lists(st.binary(max_size=60) | st.binary(max_size=40).map(packet) | COMMANDS, max_size=8))
def test_any_bytes_are_answered_or_told_off(pieces: list[bytes]) -> None:
    """Nothing else is raised, and a conversation goes on until it is over."""
    stub = Stub(Toy())
    for piece in pieces:
        stub.receive(piece)
        try:
            while stub.answer() is not None:
                pass
        except (NotGdb, Leave):
            return


# -- commands -----------------------------------------------------------------------------------------------


def test_registers_are_read_and_written_in_gdbs_numbers(stub: Stub, toy: Toy) -> None:
    everything = asked(stub, b"g")
    assert isinstance(everything, bytes)
    assert everything[:16] == b"0000000001000000"
    assert everything[-16:] == b"0000000000010000"
    assert asked(stub, b"pf") == b"0f000000"
    assert asked(stub, b"P1=78563412") == b"OK"
    assert toy.values[1] == 0x1234_5678
    assert asked(stub, b"P10=0100000000000080") == b"OK"
    assert toy.values[16] == 0x8000_0000_0000_0001
    assert asked(stub, b"G" + everything) == b"OK"
    assert toy.values == [*range(16), 1 << 40]
    assert asked(stub, b"P1=7856") == b"E00"
    assert asked(stub, b"p11") == b"E01"
    assert asked(stub, b"P11=00000000") == b"E.there are 17 registers, not 17"


def test_memory_is_read_as_far_as_it_goes_and_written_where_it_may(stub: Stub, toy: Toy) -> None:
    assert asked(stub, b"m20000010,4") == b"10111213"
    assert asked(stub, b"m200000fe,10") == b"feff"
    assert asked(stub, b"m0,4") == b"E01"
    assert asked(stub, b"M20000000,2:abcd") == b"OK"
    assert asked(stub, b"X20000002,3:#$}") == b"OK"
    assert toy.ram[:5] == b"\xab\xcd#$}"
    assert asked(stub, b"M8000000,1:00") == b"E.flash is not written from gdb"
    assert asked(stub, b"M20000000,3:00") == b"E00"


def test_a_core_is_stepped_and_run(stub: Stub, toy: Toy) -> None:
    assert asked(stub, b"vCont?") == b"vCont;c;C;s;S"
    for command, step in ((b"c", False), (b"s", True), (b"vCont;c", False), (b"vCont;s:1;c", True), (b"S05", True)):
        assert asked(stub, command) == Go(step)
    assert asked(stub, b"c8000100") == Go()
    assert toy.values[15] == 0x0800_0100


def test_why_it_stands_still_is_said_in_its_words(stub: Stub) -> None:
    for stop, said in (
        (Stop(), b"T05thread:1;"), (Stop(2), b"T02thread:1;"),
        (Stop(kind="execute", address=8), b"T05thread:1;hwbreak:;"),
        (Stop(kind="write", address=0x2000_0004), b"T05thread:1;watch:20000004;"),
        (Stop(kind="read", address=16), b"T05thread:1;rwatch:10;"),
    ):  # fmt: skip
        assert stub.stopped(stop) == packet(said)
        assert asked(stub, b"?") == said
    assert stub.exited(Exited(1)) == packet(b"W01")
    assert stub.exited(Exited(9, killed=True)) == packet(b"X09")
    assert stub.says(b"hi\n") == packet(b"O68690a")


def test_places_are_set_and_cleared_by_kind(stub: Stub, toy: Toy) -> None:
    for number, kind in enumerate(("execute", "execute", "write", "read", "access")):
        assert asked(stub, b"Z%d,20000000,4" % number) == b"OK"
        assert toy.places == {(kind, RAM, 4)}
        assert asked(stub, b"z%d,20000000,4" % number) == b"OK"
    assert asked(stub, b"Z5,0,1") == b""
    assert str(asked(stub, b"Z2,0,100000")).startswith("b'E.no place of 0x100000 bytes")


def test_its_own_questions_are_answered(stub: Stub, toy: Toy) -> None:
    assert b"qXfer:memory-map:read+" in asked(stub, b"qSupported:hwbreak+")  # type: ignore[operator]
    assert asked(stub, b"vMustReplyEmpty") == b""
    assert asked(stub, b"qAttached") == b"1"
    assert asked(stub, b"qRcmd," + b"hello".hex().encode()) == b"hello!\n".hex().encode()
    assert asked(stub, b"qRcmd," + b"quiet".hex().encode()) == b"OK"
    assert asked(stub, b"qRcmd," + b"no".hex().encode()) == b"it cannot be\n".hex().encode()
    assert toy.said == ["hello", "quiet", "no"]


def test_documents_come_in_pieces(stub: Stub) -> None:
    for kind, annex in ((b"features", b"target.xml"), (b"memory-map", b"")):
        text = b""
        while not text.startswith(b"l"):
            piece = asked(stub, b"qXfer:%s:read:%s:%x,64" % (kind, annex, len(text)))
            assert isinstance(piece, bytes)
            text = (b"l" if piece[:1] == b"l" else b"") + text + piece[1:]
        root = ElementTree.fromstring(text[1:])
        if kind == b"features":
            assert [each.get("name") for each in root.iter("feature")] == ["main", "floats"]
            assert [int(each.get("regnum", "")) for each in root.iter("reg")] == list(range(17))
        else:
            flash, ram = root.iter("memory")
            assert (flash.get("type"), flash.get("start"), flash[0].text) == ("flash", "0x8000000", "0x400")
            assert (ram.get("type"), ram.get("length")) == ("ram", "0x100")
    assert asked(stub, b"qXfer:features:read:other.xml:0,64") == b"E00"


def test_without_acknowledgements_answers_stand_alone(stub: Stub) -> None:
    stub.receive(packet(b"QStartNoAckMode"))
    assert stub.answer() == b"+" + packet(b"OK")
    stub.receive(packet(b"qC"))
    assert stub.answer() == packet(b"QC1")


@pytest.mark.parametrize("command", [b"D", b"D;1", b"k", b"vKill;1"])
def test_it_is_let_go_when_gdb_leaves(stub: Stub, command: bytes) -> None:
    stub.receive(packet(command))
    with pytest.raises(Leave) as leave:
        stub.answer()
    assert leave.value.args[0] == b"+" + packet(b"OK")
