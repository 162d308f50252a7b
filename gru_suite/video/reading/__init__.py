"""Decoding of video files, in processes of their own, into a cache."""
