"""A training as a trial of a search: its study, and the report of every epoch."""
