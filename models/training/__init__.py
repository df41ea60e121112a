"""Training of shared weights and fine-tuning of single networks."""
