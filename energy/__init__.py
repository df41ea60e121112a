"""What an inference costs under intermittent power, in SI units: count events, then price them."""
