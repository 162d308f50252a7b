"""The base of services: a model's use over a network.

Shapes: T time steps, F input features, H hidden units of a layer.
"""

import base64
import json
import math
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.model.service.gates import capture_inputs, gates_as_json
from gru_suite.model.service.limits import Limits
from gru_suite.nn.gates import GATES

if TYPE_CHECKING:
    from gru_suite.model.sequence_model import SequenceModel
    from gru_suite.model.service.streams import ServiceStreams

Item = TypeVar("Item")
ModelT = TypeVar("ModelT", bound="SequenceModel")


class Service(ABC, Generic[ModelT, Item]):
    """What a server needs of a model: inputs, predictions, streams.

    :meth:`read` and :meth:`read_file` check one input each and may run in any thread;
    :meth:`predict` takes the inputs of several requests as one batch. Nothing that a client sends
    is taken for a path.

    Attributes:
        input_kind: ``text``, ``table``, ``audio``, ``video``, ``numbers`` (rows of numbers) or
            ``file``; decides on the page for the model.
        output_kind: ``classes``, ``forecast``, ``translation``, ``summary``,
            ``transcript``, ``tracks`` or ``json``.
        suffixes: of the files that :meth:`read_file` takes; none by default.
        explains: whether :meth:`explain` is implemented.
        step_kind: what a time step of the backbone is: ``step``, ``token``, ``frame``, ``segment``.
    """

    input_kind: ClassVar[str] = "numbers"
    output_kind: ClassVar[str] = "json"
    suffixes: tuple[str, ...] = ()
    explains: ClassVar[bool] = False
    step_kind: ClassVar[str] = "step"

    def __init__(self, model: ModelT, limits: Limits | None = None) -> None:
        """Set the model, in evaluation mode, and the limits of its inputs."""
        self.model, self.limits = model, limits or Limits()

    def inputs(self) -> dict[str, Any]:
        """Return facts about the inputs for a page, as plain data."""
        return {}

    def outputs(self) -> dict[str, Any]:
        """Return facts about the outputs for a page, as plain data."""
        return {}

    def example(self) -> Any:
        """Return an input as :meth:`read` takes it, a file (``name``, ``base64``), or None."""
        return None

    @abstractmethod
    def read(self, value: Any) -> Item:
        """Return a checked input from JSON.

        Raises:
            UserError: it is none.
        """

    def read_file(self, path: Path, name: str) -> Item:
        """Return a checked input from a file of one of ``suffixes``.

        Args:
            path: a copy on this machine, with that suffix.
            name: its name where it comes from, for messages.

        Raises:
            UserError: it cannot be read.
        """
        raise UserError(f"{name}: a {self.model.name} checkpoint takes no files here")

    def read_content(self, content: bytes, name: str) -> Item:
        """Return a checked input from the content of a file; a copy is written and removed.

        Args:
            content: of the file.
            name: that it has where it comes from; its suffix counts, the rest is for messages.

        Raises:
            UserError: the suffix is of no kind that the model takes, or it cannot be read.
        """
        own = re.sub(r"[^\w. -]", "_", Path(name.replace("\\", "/")).name)[-80:] or "file"
        suffix = Path(own).suffix.lower()
        if suffix not in self.suffixes:
            listed = ", ".join(self.suffixes)
            raise UserError(
                f"{own}: needs a file of {listed}"
                if listed
                else f"{own}: a {self.model.name} checkpoint takes no files here"
            )
        with tempfile.TemporaryDirectory(prefix="gru-suite-") as folder:
            copy = Path(folder, f"input{suffix}")
            copy.write_bytes(content)
            try:
                return self.read_file(copy, own)
            except UserError as error:
                # The name of the copy says nothing to whoever sent it.
                text = str(error).replace(str(copy), own).replace(copy.name, own)
                raise UserError(text) from None

    @abstractmethod
    def predict(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Return the prediction of each input as plain data, NaN allowed."""

    def explain(self, item: Item) -> dict[str, Any]:
        """Return the share of each part of an input in its prediction.

        Raises:
            UserError: the task has no such explanation.
        """
        raise UserError(f"a {self.model.name} checkpoint does not explain its predictions")

    def streams(self) -> "ServiceStreams":
        """Return streams of clients, none at first.

        Raises:
            UserError: the model looks ahead; the message names the option to change.
        """
        from gru_suite.model.service.streams import ModelStreams

        return ModelStreams(self.model.stream(0), self.live_chunk)

    def live(self) -> dict[str, Any]:
        """Return what a chunk of a stream is: ``chunk``, and its rate."""
        return {"chunk": self.input_kind}

    def live_chunk(self, message: Any) -> Any:
        """Return a chunk as the model's stream takes it, from a client's message.

        Args:
            message: bytes, or plain data from JSON.

        Raises:
            UserError: it is none.
        """
        return as_numbers(message, self.limits)

    def warm_up(self) -> None:
        """Predict the example, so that the first client does not wait for imports."""
        example = self.example()
        if example is None:
            return
        if isinstance(example, dict) and "base64" in example:
            content = base64.b64decode(example["base64"])
            self.predict([self.read_content(content, example["name"])])
        else:
            self.predict([self.read(example)])

    @property
    def gate_names(self) -> list[str]:
        """Names of the gates of the backbone's cell."""
        return list(GATES[self.model.backbone.cell])

    def gates(self, item: Item, layer: int = 0) -> dict[str, Any]:
        """Return the gates of a layer while the model predicts an input, as plain data.

        The first sequence of the input is shown, at most 200 steps of 64 units: more are averaged
        in blocks.

        Raises:
            UserError: there is no such layer, or the cell has no gates.
        """
        if not self.gate_names:
            raise UserError(f"backbone.cell={self.model.backbone.cell} has no gates")
        with capture_inputs(self.model) as captured:
            self.predict([item])
        found = gates_as_json(self.model.backbone, captured, layer)
        return {**found, "unit_of_step": self.step_kind, **self.steps(item, found["steps"])}

    def steps(self, item: Item, steps: Sequence[int]) -> dict[str, Any]:
        """Return what the steps of :meth:`gates` are called, and how long they take."""
        return {"step_labels": None, "step_seconds": None}


def as_numbers(value: Any, limits: Limits) -> NDArray[np.float32]:
    """Return rows of numbers, shape (T, F), float32.

    Raises:
        UserError: something else.
    """
    needed = "needs rows of finite numbers, such as [[0.1, 0.2], [0.3, 0.4]]"
    if not isinstance(value, list):
        raise UserError(f"an input of type {kind_of(value)}: {needed}")
    try:
        array = np.array(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"rows of different lengths, or other things than numbers: {needed}"
        ) from None
    if array.ndim == 1 and len(array):
        array = array[:, None]
    if array.ndim < 2 or not array.size or not np.isfinite(array).all():
        raise UserError(f"an array of shape {array.shape}: {needed}")
    limits.check_rows(len(array), array[0].size)
    return array


def kind_of(value: Any) -> str:
    """Return what a value is called in JSON."""
    kinds: Mapping[type, str] = {
        dict: "object",
        list: "array",
        str: "string",
        bool: "boolean",
        int: "number",
        float: "number",
        bytes: "bytes",
    }
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


def to_json(content: Any) -> str:
    """Return content as JSON; NaN and infinity become null."""
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):
        return json.dumps(plain(content), allow_nan=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Return plain data for JSON: NaN and infinity become None, NumPy's numbers Python's."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
