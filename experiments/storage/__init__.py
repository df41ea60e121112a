"""Files, caches, locks and tables on disk."""
