"""A run in a folder: its job, its files, going on after a stop, evaluation and comparison."""
