"""Devices and supplies: prices, memories, capacitors, harvesters, and the files that describe them."""
