"""The embedded data: labelled film reviews."""
