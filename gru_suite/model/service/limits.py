"""Limits of what a server takes as one input."""

from dataclasses import dataclass

from gru_suite.errors import UserError


@dataclass(frozen=True)
class Limits:
    """Largest inputs of a service; what is larger takes too long or too much memory.

    Attributes:
        max_characters: of a text.
        max_rows: of a table, or of a sequence of numbers.
        max_values: of a table or a sequence: rows times columns.
        max_seconds: of a recording or a video.
        max_pixels: of a frame.
    """

    max_characters: int = 100_000
    max_rows: int = 200_000
    max_values: int = 5_000_000
    max_seconds: float = 600.0
    max_pixels: int = 8_300_000

    def check_rows(self, rows: int, columns: int) -> None:
        """Check the size of a table or a sequence.

        Raises:
            UserError: it is too large.
        """
        if rows > self.max_rows or rows * columns > self.max_values:
            raise UserError(
                f"an input of {rows:,} rows and {columns:,} columns: at most {self.max_rows:,} "
                f"rows and {self.max_values:,} values are taken here"
            )

    def check_seconds(self, seconds: float | None) -> None:
        """Check the duration of a recording or a video.

        Raises:
            UserError: it is too long.
        """
        if seconds is not None and seconds > self.max_seconds:
            raise UserError(
                f"an input of {seconds:,.0f} seconds: at most {self.max_seconds:,.0f} are taken "
                "here"
            )
