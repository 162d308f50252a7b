"""The contract of a task as checks for its author."""
