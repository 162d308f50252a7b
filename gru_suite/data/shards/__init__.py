"""Media files in sharded tar archives, as WebDataset writes them, in training without a copy.

A *record* is a media file with its class; the *index* of a shard says where its records are, so
that a record is read by its offset, without parsing the archive again.
"""
