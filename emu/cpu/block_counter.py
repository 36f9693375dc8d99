"""Counting the code that runs, and ending a slice at the start of a block: a hook of a few machine instructions.

The engine calls a block hook before it runs a block of code (up to the next branch or page end). This one adds the
block's bytes to a counter, and asks the engine to stop when the counter has reached a limit, or when the block lies in
a range whose bytes have changed under translated code. A Python function does the same at 24 million instructions a
second where these instructions cost nearly nothing; both give the same counts, so a result never depends on which one
ran.

Neighbours: `engine` registers either of the two. Knows no engine: the function that stops it comes as an address.

A slice always makes progress: the limit is compared before the first block is counted, with a counter of 0.
"""

from __future__ import annotations

COUNT, LIMIT, STOP, ADDRESS, SIZE, FOLD, DIRTY, DIRTY_SIZE, STOPPED = range(9)
"""Words of the state. ``ADDRESS`` and ``SIZE`` are those of the last block counted; ``FOLD`` is ANDed to an address
before it is looked for in the dirty range, so that an alias of flash counts as flash."""
WORDS = 9

# Arguments of a block hook: the engine, the address, the size of the block (32 bits), and the state.
X86_64 = bytes.fromhex(
    "f30f1efa"  # endbr64
    "488b01"  # mov rax, [rcx + COUNT]
    "483b4108"  # cmp rax, [rcx + LIMIT]
    "731f"  # jae stop
    "4889f0"  # mov rax, rsi
    "48234128"  # and rax, [rcx + FOLD]
    "482b4130"  # sub rax, [rcx + DIRTY]
    "483b4138"  # cmp rax, [rcx + DIRTY_SIZE]
    "720e"  # jb stop
    "89d0"  # mov eax, edx
    "480101"  # add [rcx + COUNT], rax
    "48897118"  # mov [rcx + ADDRESS], rsi
    "48894120"  # mov [rcx + SIZE], rax
    "c3"  # ret
    "48ff4140"  # stop: inc [rcx + STOPPED]
    "ff6110"  # jmp [rcx + STOP]
)
AARCH64 = bytes.fromhex(
    "5f2403d5"  # bti c
    "641440a9"  # ldp x4, x5, [x3, COUNT]
    "9f0005eb"  # cmp x4, x5
    "82010054"  # b.hs stop
    "669c42a9"  # ldp x6, x7, [x3, FOLD]
    "2600068a"  # and x6, x1, x6
    "c60007cb"  # sub x6, x6, x7
    "671c40f9"  # ldr x7, [x3, DIRTY_SIZE]
    "df0007eb"  # cmp x6, x7
    "c3000054"  # b.lo stop
    "e603022a"  # mov w6, w2
    "8400068b"  # add x4, x4, x6
    "640000f9"  # str x4, [x3, COUNT]
    "619801a9"  # stp x1, x6, [x3, ADDRESS]
    "c0035fd6"  # ret
    "642040f9"  # stop: ldr x4, [x3, STOPPED]
    "84040091"  # add x4, x4, 1
    "642000f9"  # str x4, [x3, STOPPED]
    "650840f9"  # ldr x5, [x3, STOP]
    "a0001fd6"  # br x5
)
CODE = {"x86_64": X86_64, "aarch64": AARCH64}
