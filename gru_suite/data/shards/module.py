"""What data modules of shards have in common, whatever their media."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from torch.utils.data import DataLoader

from gru_suite.data.media import MediaDataModule
from gru_suite.data.shards.parts import FirstBatches, ShardParts
from gru_suite.data.shards.stream import ShardStream, stream_loader
from gru_suite.options import check_count


class ShardsModule(MediaDataModule):
    """Base beside the data module of the media: its training streams shards.

    Attributes:
        items: what a shard holds, in messages: ``clips``, ``videos``.
    """

    items: ClassVar[str]

    def keep_shards(
        self,
        path: str | Sequence[str] | None,
        given: Mapping[str, str | Sequence[str] | None],
        buffer_size: int,
        num_workers: int,
    ) -> None:
        """Store the options of shards.

        Args:
            path: pattern of the shards.
            given: patterns by part.
            buffer_size: items that are shuffled at once, in each worker.
            num_workers: processes that read and decode training items.

        Raises:
            UserError: an option is out of its range.
        """
        check_count("data.buffer_size", buffer_size, 1)
        check_count("data.num_workers", num_workers, 0)
        self._pattern, self._shards = path, dict(given)
        self._buffer_size, self._workers = buffer_size, num_workers

    @abstractmethod
    def read_shards(self) -> ShardParts:
        """Return the shards of each part, from their indices."""

    def prepare_data(self) -> None:
        """Index the shards that are not indexed."""
        if not self.datasets:
            self.read_shards()

    def part_summary(self, part: str) -> str:
        """Return the number of items of a part."""
        dataset = self.datasets[part]
        size = dataset.size if isinstance(dataset, ShardStream) else len(dataset.names)
        return f"{size:,} {self.items}"

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return a stream of training clips, or the clips of another part."""
        if part == "train":
            return stream_loader(self.datasets[part], self._workers)
        return super().loader(part, shuffle)

    def score_baselines(
        self, loaders: Mapping[str, Iterable[Any]], stage: str, scoring: Mapping[str, Any] | None
    ) -> Mapping[str, Mapping[str, float]]:
        """Score the baselines, fitted on at most 20,000 items."""
        few = {
            part: each if part == stage else FirstBatches(each, self._batch_size)
            for part, each in loaders.items()
        }
        # The data module of the media has it.
        return super().score_baselines(few, stage, scoring)  # type: ignore[safe-super]
