"""The weight-sharing supernet and the networks cut out of it."""
