"""Real firmware on an emulated Cortex-M: unmodified ELF files, with the cells of `flash` as their memory.

    chip = bundled_chip("STM32F103xB")
    session = CpuSession(Machine(chip, make_controller))
    session.load([Firmware(Path("bootloader.elf"))])
    for report in session.run_on(limit_us=1_000_000):
        print(report.ending, report.output())

What is not modelled, so that nobody takes silence for proof:

- Time is one cycle for every half-word of code, whole blocks at a time (`clock`): no wait states, no pipeline, no slow
  instructions. Interrupts are taken between blocks; one that was masked, at most 128 cycles after the mask is gone.
- The MPU protects nothing, privilege keeps nobody from a register, and the security extension of the Cortex-M33 is not
  there. A floating-point unit is always enabled; its state is stacked at once, never lazily.
- Every bus fault is precise. LDRD, STRD, LDM and STM never fault for alignment, UNALIGN_TRP and DIV_0_TRP do nothing. A
  fault inside an IT block loses the rest of it when its handler returns to it.
- SEV is not seen: a WFE with nothing to come returns at once.
- Caches, ADCs, radios, USB: their registers keep what is written, and are counted. DMA of STM32 serves serial ports and
  copies memory, at once; that of the H5 does nothing. Timers count; they capture nothing and drive no pin. An input
  that nobody drives reads what its own resistor makes of it.
- A debugger is never attached: BKPT is a HardFault.
- A loop longer than 256 blocks of code, or one that also counts, is not recognised as waiting (`steady`): it runs to
  the limit of its session. Where it does nothing but count, its rounds are worked out (`counting`).

unicorn is imported in `engine` alone; it is the extra ``cpu``. Importing a module of this room without it raises
MissingExtra.
"""
