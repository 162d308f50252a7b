"""A server of checkpoints: an API, streams and a page. Needs the extra ``serve``."""
