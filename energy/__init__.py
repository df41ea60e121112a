"""Cost of an inference under intermittent power, in SI units: count events, then price them."""
