"""Networks as the cost model sees them: layer shapes, execution designs, and the rules for legal designs."""
