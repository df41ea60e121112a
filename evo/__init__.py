"""The search: joint genomes of architecture and execution, evolved by NSGA-II. Free of torch."""
