"""Folders to labelled videos: layouts, decoding, the cache of frames."""
