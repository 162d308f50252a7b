"""The embedded data: command words spoken by espeak-ng."""
