/* A serial port served by DMA alone: it says hello from flash, receives in a circle of eight bytes, and sends each half
 * of it back when it is full. The core sleeps meanwhile, and wakes for the interrupts of the half and of the end.
 */
#include "port.h"

#if defined(CHIP_STM32F4)
#define CLOCK REG(0x40023830u)
#define CLOCK_BIT (1u << 22)
#define DMA 0x40026400u /* DMA2: stream 7 sends, stream 2 receives, both on channel 4 */
#define TX (DMA + 0x10u + 0x18u * 7u)
#define RX (DMA + 0x10u + 0x18u * 2u)
#define CCR_TX (4u << 25 | 1u << 10 | 1u << 6 | 1u << 4)
#define CCR_RX (4u << 25 | 1u << 10 | 1u << 8 | 1u << 4 | 1u << 3)
#define TX_FLAGS REG(DMA + 4u)
#define TX_CLEAR REG(DMA + 12u)
#define TX_END (1u << 27)
#define RX_FLAGS REG(DMA)
#define RX_CLEAR REG(DMA + 8u)
#define RX_HALF (1u << 20)
#define RX_END (1u << 21)
#define USART 0x40011000u
#else
#if defined(CHIP_STM32F1)
#define CLOCK REG(0x40021014u)
#elif defined(CHIP_STM32L4)
#define CLOCK REG(0x40021048u)
#define SELECTION 2u
#elif defined(CHIP_STM32L0)
#define CLOCK REG(0x40021030u)
#define SELECTION 3u
#elif defined(CHIP_STM32G0)
#define CLOCK REG(0x40021038u)
#endif
#define CLOCK_BIT 1u
#define DMA 0x40020000u /* DMA1: channel 4 sends, channel 5 receives */
#define TX (DMA + 0x08u + 0x14u * 3u)
#define RX (DMA + 0x08u + 0x14u * 4u)
#define CCR_TX (1u << 7 | 1u << 4 | 1u << 1)
#define CCR_RX (1u << 7 | 1u << 5 | 1u << 2 | 1u << 1)
#define TX_FLAGS REG(DMA)
#define TX_CLEAR REG(DMA + 4u)
#define TX_END (1u << 13)
#define RX_FLAGS REG(DMA)
#define RX_CLEAR REG(DMA + 4u)
#define RX_HALF (1u << 18)
#define RX_END (1u << 17)
#define USART 0x40013800u
#endif

#if defined(CHIP_STM32F1) || defined(CHIP_STM32F4)
#define CR1 REG(USART + 0x0Cu)
#define CR3 REG(USART + 0x14u)
#define SENT_TO (USART + 4u)
#define CAME_FROM (USART + 4u)
#else
#define CR1 REG(USART)
#define CR3 REG(USART + 8u)
#define SENT_TO (USART + 0x28u)
#define CAME_FROM (USART + 0x24u)
#endif
#define NVIC_ISER 0xE000E100u

enum { HALF = 4, LINES = 72 };

/* It has no variables: what it keeps stands at the bottom of RAM. */
static struct ram {
    volatile uint32_t busy, full;
    volatile uint8_t ring[2 * HALF], out[HALF];
} *const ram = (struct ram *)0x20000000u;

static const char hello[] = "dma is ready\r\n";

extern uint32_t stack_top;
void dma_main(void) __attribute__((noreturn));
void nmi_handler(void);

static void stop(void)
{
    for (;;)
        ;
}

void nmi_handler(void) __attribute__((weak, alias("stop")));

static void moved(void)
{
    if (TX_FLAGS & TX_END) {
        TX_CLEAR = TX_END;
        REG(TX) = 0;
        ram->busy = 0;
    }
    uint32_t came = RX_FLAGS & (RX_HALF | RX_END);
    if (came) {
        RX_CLEAR = came;
        ram->full |= came;
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16 + LINES] = {
    &stack_top, dma_main, nmi_handler, stop, stop, stop, stop, 0, 0, 0, 0, stop, stop, 0, stop, stop,
    [16 ... 15 + LINES] = moved,
};

static void send(const volatile void *from, uint32_t length)
{
    ram->busy = 1;
    REG(TX + 4u) = length;
    REG(TX + 8u) = SENT_TO;
    REG(TX + 12u) = (uint32_t)from;
    REG(TX) = CCR_TX | 1u;
}

static void enable(uint32_t line)
{
    REG(NVIC_ISER + line / 32u * 4u) = 1u << line % 32u;
}

static void prepare(void)
{
    CLOCK |= CLOCK_BIT;
#if defined(SELECTION)
    REG(DMA + 0xA8u) = SELECTION << 12 | SELECTION << 16;
#elif defined(CHIP_STM32G0)
    REG(0x4002080Cu) = 51; /* DMAMUX: USART1_TX, USART1_RX */
    REG(0x40020810u) = 50;
#endif
#if defined(CHIP_STM32F4)
    enable(70);
    enable(58);
#elif defined(CHIP_STM32L0) || defined(CHIP_STM32G0)
    enable(11);
#else
    enable(14);
    enable(15);
#endif
    CR3 = 1u << 7 | 1u << 6;
    CR1 |= 1u << 2;
}

void dma_main(void)
{
    ram->busy = ram->full = 0;
    port_init();
    prepare();
    REG(RX + 4u) = sizeof ram->ring;
    REG(RX + 8u) = CAME_FROM;
    REG(RX + 12u) = (uint32_t)ram->ring;
    REG(RX) = CCR_RX | 1u;
    send(hello, sizeof hello - 1u);
    for (;;) {
        while (ram->busy || !ram->full) {
            __asm volatile("wfe" ::: "memory"); /* an interrupt since it was looked is an event: it does not sleep then */
        }
        __asm volatile("cpsid i" ::: "memory");
        uint32_t which = ram->full & RX_HALF ? RX_HALF : RX_END;
        ram->full &= ~which;
        __asm volatile("cpsie i" ::: "memory");
        for (uint32_t at = 0; at < HALF; at++) {
            ram->out[at] = ram->ring[(which == RX_END ? HALF : 0) + at];
        }
        send(ram->out, HALF);
    }
}
