"""Exported programs on emulated processors, a Cortex-M4 and an MSP430, with power failures between instructions."""
