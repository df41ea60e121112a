"""Accuracy predictor, its card, and measures of agreement."""
