/* Where everything stands in the flash of each chip, and the clock it runs at out of reset. The linker scripts and the boards of the tests repeat these numbers.
 *
 * UNIT: bytes of one program. PAGE: bytes of one erase unit of a slot. SLOT_PAGES: erase units of a slot.
 * ERASED: what an erased word reads. STATE0, STATE1: one erase unit each, for what a bootloader must remember. SCRATCH: one erase unit, for the swap.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#if defined(CHIP_STM32F1)
#define CPU_HZ 8000000u
#define UNIT 2u
#define PAGE 0x400u
#define SLOT_PAGES 2u
#define STATE0 0x08001000u
#define STATE1 0x08001400u
#define SCRATCH 0x08001800u
#define SLOT_A 0x08002000u
#define SLOT_B 0x08003000u
#define LOADER 0x08000000u
#elif defined(CHIP_STM32F4)
#define CPU_HZ 16000000u
#define UNIT 4u
#define PAGE 0x20000u
#define SLOT_PAGES 1u
#define STATE0 0x08004000u
#define STATE1 0x08008000u
#define SCRATCH 0x08060000u
#define SLOT_A 0x08020000u
#define SLOT_B 0x08040000u
#define LOADER 0x08000000u
#elif defined(CHIP_STM32L4)
#define CPU_HZ 4000000u
#define UNIT 8u
#define PAGE 0x800u
#define SLOT_PAGES 2u
#define STATE0 0x08001000u
#define STATE1 0x08001800u
#define SCRATCH 0x08002000u
#define SLOT_A 0x08003000u
#define SLOT_B 0x08005000u
#define LOADER 0x08000000u
#elif defined(CHIP_STM32G0)
#define CPU_HZ 16000000u
#define UNIT 8u
#define PAGE 0x800u
#define SLOT_PAGES 2u
#define STATE0 0x08001000u
#define STATE1 0x08001800u
#define SCRATCH 0x08002000u
#define SLOT_A 0x08003000u
#define SLOT_B 0x08005000u
#define LOADER 0x08000000u
#elif defined(CHIP_STM32L0)
#define CPU_HZ 2097152u
#define UNIT 4u
#define ERASED 0u
#define PAGE 0x400u
#define SLOT_PAGES 2u
#define STATE0 0x08001000u
#define STATE1 0x08001400u
#define SCRATCH 0x08001800u
#define SLOT_A 0x08002000u
#define SLOT_B 0x08003000u
#define LOADER 0x08000000u
#elif defined(CHIP_STM32H5)
#define CPU_HZ 32000000u
#define UNIT 16u
#define PAGE 0x2000u
#define SLOT_PAGES 2u
#define STATE0 0x08002000u
#define STATE1 0x08004000u
#define SCRATCH 0x08006000u
#define SLOT_A 0x08008000u
#define SLOT_B 0x08100000u
#define LOADER 0x08000000u
#elif defined(CHIP_NRF52840)
#define CPU_HZ 64000000u
#define UNIT 4u
#define PAGE 0x1000u
#define STATE0 0x00001000u
#define STATE1 0x00002000u
#define SCRATCH 0x00003000u
#ifdef LARGE /* for benches: 15,000 programs in an exchange */
#define SLOT_PAGES 5u
#define SLOT_A 0x00010000u
#define SLOT_B 0x00018000u
#else
#define SLOT_PAGES 2u
#define SLOT_A 0x00004000u
#define SLOT_B 0x00006000u
#endif
#define LOADER 0x00000000u
#else
#error "define one of CHIP_STM32F1, F4, L4, G0, L0, H5, CHIP_NRF52840"
#endif

#ifndef ERASED
#define ERASED 0xFFFFFFFFu
#endif

/* Bytes of a flag or a mark: no less than one program. */
#define MARK (UNIT > 8u ? UNIT : 8u)

#define SLOT_SIZE (PAGE * SLOT_PAGES)

#endif
