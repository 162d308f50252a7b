"""Videos of all tasks: decoding of files (``reading``), and rendered people (``people``)."""
