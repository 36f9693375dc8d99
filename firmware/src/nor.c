#include "nor.h"

#include "spi.h"

#define WRITE_ENABLE 0x06u
#define READ_STATUS 0x05u
#define READ 0x03u
#define PAGE_PROGRAM 0x02u
#define SECTOR_ERASE 0x20u
#define RELEASE_POWER_DOWN 0xABu

#define STATUS_BUSY 1u

static void command(uint8_t opcode)
{
    SELECT_LOW();
    spi_transfer(&opcode, 0, 1);
    SELECT_HIGH();
}

static void select_with_address(uint8_t opcode, uint32_t address)
{
    uint8_t head[4] = {opcode, (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address};
    SELECT_LOW();
    spi_transfer(head, 0, sizeof head);
}

static void wait(void)
{
    uint8_t status[2] = {READ_STATUS, 0};
    do {
        SELECT_LOW();
        status[0] = READ_STATUS;
        spi_transfer(status, status, sizeof status);
        SELECT_HIGH();
    } while (status[1] & STATUS_BUSY);
}

/* A reset of the processor is none of the chip: what it was doing goes on. A write has to wait until power has been
 * good for 5 ms. */
void nor_init(void)
{
    spi_init();
    for (volatile uint32_t left = CPU_HZ / 1000u; left; left--)
        ;
    wait();
}

void nor_read(uint32_t address, void *to, uint32_t length)
{
    select_with_address(READ, address);
    spi_transfer(0, to, length);
    SELECT_HIGH();
}

void nor_program(uint32_t address, const void *from, uint32_t length)
{
    command(WRITE_ENABLE);
    select_with_address(PAGE_PROGRAM, address);
    spi_transfer(from, 0, length);
    SELECT_HIGH();
    wait();
}

void nor_erase_begin(uint32_t address)
{
    command(WRITE_ENABLE);
    select_with_address(SECTOR_ERASE, address);
    SELECT_HIGH();
}

void nor_erase(uint32_t address)
{
    nor_erase_begin(address);
    wait();
}
