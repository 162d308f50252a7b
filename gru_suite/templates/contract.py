"""The contract of tasks of GRU Suite."""

from gru_suite.testing.contract import check_task


def test_gesture_keeps_the_contract_with_a_gru() -> None:
    """Config, training, checkpoint, predictions, streams and export, with a GRU."""
    check_task("gesture", "gru")


def test_gesture_keeps_the_contract_with_an_lstm() -> None:
    """The same with an LSTM."""
    check_task("gesture", "lstm")
