"""Checkpoints from which a stopped or killed training continues."""
