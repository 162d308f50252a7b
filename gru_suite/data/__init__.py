"""Data modules, splits and caches that tasks share."""
