"""Rendering of people as stick figures: bodies, motions and drawing."""
