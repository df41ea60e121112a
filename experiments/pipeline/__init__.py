"""The stages of a run, from data to fronts."""
