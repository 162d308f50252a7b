"""Checks of the options: each answers with the key, what was found and what is needed."""

from collections.abc import Sequence

from gru_suite.errors import UserError, nearest


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value of ``data`` that is no choice, naming the nearest."""
    if value not in choices:
        raise UserError(f"data.{name}={value}: no such choice{nearest(str(value), choices)}")


def check_count(name: str, value: object, least: int) -> None:
    """Refuse a value of ``data`` that is no whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"data.{name}={value}: a whole number of at least {least} is needed")


def check_pieces(piece_tokens: int | None, piece_sentences: bool) -> None:
    """Refuse pieces of no length."""
    if piece_tokens is not None:
        check_count("piece_tokens", piece_tokens, 1)
    elif piece_sentences:
        raise UserError("data.piece_sentences needs data.piece_tokens, the least of a piece")


def check_positive(**numbers: float) -> None:
    """Refuse values of ``task`` that are not above 0."""
    for key, number in numbers.items():
        if not number > 0:
            raise UserError(f"task.{key}={number}: needs a number above 0")


def check_sizes(**sizes: int) -> None:
    """Refuse values of ``task`` that are no whole numbers from 1."""
    for key, size in sizes.items():
        if type(size) is not int or size < 1:
            raise UserError(f"task.{key}={size}: needs a whole number from 1")


def check_shares(**shares: float) -> None:
    """Refuse values of ``task`` outside 0 to below 1."""
    for key, share in shares.items():
        if not 0 <= share < 1:
            raise UserError(f"task.{key}={share}: needs a number from 0 to below 1")
