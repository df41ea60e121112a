"""Worker processes and progress bars."""
