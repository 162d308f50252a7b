"""Features of a frozen encoder, computed once for every decoded frame and cached.

Shapes: T frames, H height, W width, F features.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from gru_suite.data.cache import build_once
from gru_suite.data.ragged_arrays import RaggedArrays, open_arrays, write_arrays
from gru_suite.devices import torch_device
from gru_suite.video.reading.frame_cache import DecodedFiles, readable_size

from ..batches.augmentation import centre_crop
from ..network.frame_encoder import FROM_CHECKPOINT, FrameEncoder

_FRAMES_AT_ONCE = 64
# To be increased when the same encoder gives other features of the same frames.
_CACHE_FORMAT = 1


def frozen_features(
    files: DecodedFiles, encoder: dict[str, Any] | None, size: Sequence[int]
) -> RaggedArrays | None:
    """Return the features of all frames, float32, shape (T, F) for each video.

    Args:
        files: decoded videos; the features are cached beside them.
        encoder: options of :class:`FrameEncoder`.
        size: height and width of the centre crop that is encoded.

    Returns:
        None where features cannot be cached: the encoder is trained, or the features of a frame
        depend on the frame sampled before it.
    """
    if not encoder or not encoder.get("frozen") or encoder.get("weights") == FROM_CHECKPOINT:
        return None
    network = FrameEncoder(**encoder)
    if network.with_difference:
        return None
    folder = files.folder / f"features-{_weights_key(network, size)}"

    def build() -> RaggedArrays:
        num_bytes = 4 * network.output_size * int(files.frames.length_N.sum())
        print(f"computing features into {folder}: {readable_size(num_bytes)}", flush=True)
        features = _features(files.frames, network, size)
        return write_arrays(folder, features, "f4", {}, (network.output_size,))

    return build_once(folder, lambda: _open(folder, files), build)


def _open(folder: Path, files: DecodedFiles) -> RaggedArrays | None:
    features = open_arrays(folder)
    if features is None or not np.array_equal(features.length_N, files.frames.length_N):
        return None
    return features


def _features(
    frames: RaggedArrays, network: FrameEncoder, size: Sequence[int]
) -> Iterator[NDArray[np.float32]]:
    device = torch_device("auto")
    network.eval().to(device)
    numbers = range(len(frames.length_N))
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        for number in progress.track(numbers, description="features"):
            chunks = []
            clip_THW3 = torch.from_numpy(np.array(frames.get(number)))
            with torch.inference_mode():
                for frames_THW3 in centre_crop(clip_THW3, size).split(_FRAMES_AT_ONCE):
                    z_TF = network(frames_THW3.unsqueeze(0).to(device))[0]
                    chunks.append(z_TF.float().cpu().numpy())
            yield np.concatenate(chunks)


def _weights_key(network: FrameEncoder, size: Sequence[int]) -> str:
    description = f"{_CACHE_FORMAT} {type(network.network).__name__} {tuple(size)}"
    key = hashlib.blake2b(description.encode(), digest_size=16)
    for name, value in network.state_dict().items():
        key.update(name.encode())
        key.update(value.detach().cpu().contiguous().numpy().tobytes())
    return key.hexdigest()
