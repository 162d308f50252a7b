"""The base of every task's model: encoder -> backbone -> head, and its use without a trainer."""

import importlib
import inspect
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from gru_suite.errors import UserError
from gru_suite.model.export.module import ExportModule
from gru_suite.model.streaming.stream import Stream, StreamModule
from gru_suite.nn.backbone import RecurrentBackbone

TRAINING_KEYS = ("init_from", "freeze_epochs")
"""Options of the group ``backbone`` that are about its training, not its shape."""


class RecordsOptions(ABCMeta):
    """The metaclass of models: keeps the arguments that a model was built from in ``options``."""

    @property
    def __signature__(cls) -> inspect.Signature:
        # inspect would take the one of __call__ below.
        _, *others = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        return inspect.Signature(others)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Build a model and record its arguments, defaults included."""
        model = super().__call__(*args, **kwargs)
        bound = inspect.signature(cls).bind(*args, **kwargs)
        bound.apply_defaults()
        model.options = {**bound.arguments, **model.options}
        return model


class SequenceModel(nn.Module, metaclass=RecordsOptions):
    """A recurrent backbone between an encoder and a head; what a checkpoint gives back.

    A subclass takes only plain data in ``__init__`` (dict, list, str, int, float, bool, None), so
    that a checkpoint builds it again with torch's safe loading. It calls ``super().__init__`` with
    the sizes, builds encoder and head, and implements :meth:`forward`, :meth:`predict` and
    :meth:`predict_file`.

    Attributes:
        name: the task's name, as in ``task=``.
        tables: names in the state of large tables with a row for each word, which ``best.ckpt``
            stores compressed.
        service_class: the :class:`gru_suite.model.service.service.Service` of the model, as
            ``module:class``; by default inputs are rows of numbers or files.
        schema: the description of the training data (``SequenceDataModule.schema``).
        options: the arguments that the model was built from; a subclass may set an entry in
            ``__init__`` where a checkpoint is to hold another value.
        run_info: facts of the training run, kept in the checkpoint: plain data.
        fitted: what was fitted beside the weights, such as calibrations, kept in the checkpoint:
            plain data.
        backbone: the recurrent stack.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[str, ...]] = ()
    service_class: ClassVar[str] = "gru_suite.model.service.classification:PlainService"

    def __init__(self, backbone: dict[str, Any], input_size: int, schema: dict[str, Any]) -> None:
        """Build the backbone.

        Args:
            backbone: options of :class:`RecurrentBackbone` other than ``input_size``; those that
                are about its training (``init_from``, ``freeze_epochs``) are ignored.
            input_size: features that the encoder gives the backbone at each step.
            schema: plain description of the training data.
        """
        super().__init__()
        self.schema = schema
        self.options: dict[str, Any] = {}
        self.run_info: dict[str, Any] = {}
        self.fitted: dict[str, Any] = {}
        shape = {key: value for key, value in backbone.items() if key not in TRAINING_KEYS}
        self.backbone = RecurrentBackbone(input_size, **shape)

    def quantize(self) -> "SequenceModel":
        """Compute with recurrent weights of eight bits in evaluation, from now on.

        On the CPU a stream takes less time the larger the hidden size is; see
        :meth:`RecurrentBackbone.quantize`.

        Returns:
            The model itself.

        Raises:
            UserError: the model is on another device, the kernel has no such cell, or is missing or
                switched off.
        """
        for module in self.modules():
            if isinstance(module, RecurrentBackbone):
                module.quantize()
        return self

    @abstractmethod
    def forward(self, batch: Any) -> Any:
        """Return the output for a batch of the task's data module."""

    @abstractmethod
    def predict(self, raw: Any) -> Any:
        """Predict from raw input: a table, a text, a recording, a video."""

    @abstractmethod
    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Predict from a file; write the predictions and a figure of them.

        Returns:
            The files written.
        """

    def stream(self, batch_size: int = 1) -> Stream[Any]:
        """Return streams that take sequences in chunks and predict after each chunk.

        Args:
            batch_size: sequences at once.

        Raises:
            UserError: the model, or this configuration of it, looks ahead.
        """
        raise UserError(
            f"task {self.name} cannot stream; its model would implement stream() with a Stream, or "
            "stream_encoder() where it is a ClassificationModel"
        )

    def stream_module(self) -> StreamModule:
        """Return the network on one chunk after the other, in tensors alone, for an export.

        Raises:
            UserError: as :meth:`stream`.
        """
        raise UserError(f"task {self.name} has no streaming network; see stream()")

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return the model as a function of tensors, for ``gru-suite export``.

        Args:
            example: gives a batch of the data set, for a model that does not know by itself what
                its inputs look like.

        Raises:
            UserError: the model does not implement it.
        """
        raise UserError(
            f"task {self.name} does not say how its inputs and outputs are exported: implement "
            "export_module(), or use format=safetensors, which holds any model"
        )

    def service(self) -> Any:
        """Return the model's use over a network, for ``gru-suite serve``: its ``service_class``."""
        module, _, name = self.service_class.partition(":")
        return getattr(importlib.import_module(module), name)(self)

    def speed(self, raw: Any, seconds: float) -> dict[str, float]:
        """Return what a prediction means to users, by name: frames a second, a real-time factor.

        Args:
            raw: what was predicted from.
            seconds: that it took.
        """
        return {}

    def limits(self) -> list[str]:
        """Return known limits of the model for its card, a sentence each."""
        return []

    def usage(self) -> list[str]:
        """Return Python lines that predict with ``model`` and run as they are, for its card."""
        return ["# prediction = model.predict(...)"]

    @property
    def num_parameters(self) -> int:
        """Number of parameters, frozen ones included."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.parameters()).device
