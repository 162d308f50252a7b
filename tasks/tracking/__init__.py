"""Tracking of objects in videos."""
