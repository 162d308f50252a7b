"""``python -m gru_suite`` is ``gru-suite``."""

import sys

from gru_suite.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
