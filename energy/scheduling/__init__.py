"""Power cycles: where they are cut, how long a schedule takes, and its worst case."""
