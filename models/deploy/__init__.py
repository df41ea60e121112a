"""Deployment: a fine-tuned network as an integer network, and as a C program that runs on intermittent power."""
