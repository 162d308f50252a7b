"""Folders to labelled recordings: layouts, labels, sound files, downloads."""
