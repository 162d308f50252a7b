"""Embedded data: command words synthesised by espeak-ng."""
