"""Embedded default data."""
