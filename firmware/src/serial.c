/* Sleep and time for serial_*.c. */
#include "serial.h"

#include "port.h"

#define SYST_CSR REG(0xE000E010u)
#define SYST_RVR REG(0xE000E014u)
#define SYST_CVR REG(0xE000E018u)
#define SCB_ICSR REG(0xE000ED04u)
#define NVIC_ICPR(irq) REG(0xE000E280u + (irq) / 32u * 4u)
#define ICSR_PENDSTSET (1u << 26)
#define ICSR_PENDSTCLR (1u << 25)

void ticks_start(void)
{
    __asm volatile("cpsid i" : : : "memory");
    SYST_RVR = CPU_HZ / 10u - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7;
}

void ticks_stop(void)
{
    SYST_CSR = 0;
    SCB_ICSR = ICSR_PENDSTCLR;
    __asm volatile("cpsie i" : : : "memory");
}

bool sleep_until_tick(uint32_t irq)
{
    __asm volatile("wfi" : : : "memory");
    NVIC_ICPR(irq) = 1u << irq % 32u;
    if (SCB_ICSR & ICSR_PENDSTSET) {
        SCB_ICSR = ICSR_PENDSTCLR;
        return true;
    }
    return false;
}
