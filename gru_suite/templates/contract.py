"""The contract that every task of GRU Suite keeps."""

from gru_suite.testing.contract import check_task


def test_gesture_keeps_the_contract_with_a_gru() -> None:
    """The config composes, training learns, checkpoints load and say what they are."""
    check_task("gesture", "gru")


def test_gesture_keeps_the_contract_with_an_lstm() -> None:
    """So it does with another cell."""
    check_task("gesture", "lstm")
