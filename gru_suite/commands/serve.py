"""``gru-suite serve``: checkpoints as an API, streams and a page."""

from collections.abc import Sequence

from gru_suite.serving.options import parse_options


def serve(words: Sequence[str]) -> int:
    """Serve checkpoints until the process is interrupted or terminated.

    Args:
        words: arguments; see :func:`gru_suite.serving.options.parse_options`.

    Returns:
        The exit code.

    Raises:
        UserError: an argument is wrong, or a checkpoint cannot be loaded.
    """
    options = parse_options(words)
    from gru_suite.serving.server import serve as serve_models

    return serve_models(options)
