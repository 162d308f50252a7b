"""The error of a failed export."""


class ExportError(RuntimeError):
    """A format cannot hold the model, or the exported model differs from it."""
