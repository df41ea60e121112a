"""The optimisation problem: genomes in, objectives and constraints out."""
