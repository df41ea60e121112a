"""The weight-sharing supernet and the single networks that inherit from it."""
