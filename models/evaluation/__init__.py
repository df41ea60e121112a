"""Accuracy of networks, with shared weights or their own."""
