"""What goes wrong in an export and is nobody's mistake."""


class ExportError(RuntimeError):
    """A format cannot hold the model, or what was written answers otherwise than the model."""
