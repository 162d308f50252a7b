"""What models of sound have in common: the layers before the backbone, and a limit."""

from typing import Any

from gru_suite.options import build

from .conv_front_end import ConvFrontEnd
from .spec_augment import SpecAugment
from .spectral_features import SpectralFeatures


def audio_layers(
    features: dict[str, Any] | None,
    front_end: dict[str, Any] | None,
    spec_augment: dict[str, Any] | None,
    sample_rate_hz: int,
    causal: bool,
) -> tuple[SpectralFeatures, ConvFrontEnd]:
    """Return the layers from samples to the inputs of the backbone.

    Args:
        features: options of :class:`SpectralFeatures`.
        front_end: of :class:`ConvFrontEnd`.
        spec_augment: of :class:`SpecAugment`.
        sample_rate_hz: of the samples.
        causal: no output depends on later input.

    Raises:
        UserError: an option is out of its range.
    """
    rate = {"sample_rate_hz": sample_rate_hz, "causal": causal}
    spectral = build(SpectralFeatures, "task.features", features, **rate)
    hop_ms = 1000 * spectral.hop_samples / sample_rate_hz
    augment = build(SpecAugment, "task.spec_augment", spec_augment, hop_ms=hop_ms)
    given = {"num_features": spectral.size, "causal": causal, "augment": augment}
    return spectral, build(ConvFrontEnd, "task.front_end", front_end, **given)


def heard_voices(run_info: dict[str, Any], synthetic: str) -> str:
    """Return a sentence on the voices of the training recordings, for the model card.

    Args:
        run_info: of the model.
        synthetic: ``data.source`` of the recordings made by espeak-ng.
    """
    if run_info.get("data", {}).get("source") == synthetic:
        return (
            "Trained with the synthetic voices of espeak-ng: real voices, rooms and microphones "
            "were not evaluated."
        )
    return (
        "The language and the speakers of the training recordings are not recorded; no others "
        "were evaluated."
    )
