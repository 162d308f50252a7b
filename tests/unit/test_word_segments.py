"""Words cut out of a stream of sound: the same however the stream is cut into chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from stream_fixtures import pieces

from gru_suite.tasks.speech_commands.inference.word_segments import Segment, WordSegmenter

RATE_HZ, LONGEST_S = 1000, 1.0
FRAME_S = 0.02


def sound(*parts: tuple[float, float]) -> NDArray[np.float32]:
    """Return noise of some seconds and levels in dB, part after part."""
    draw = np.random.default_rng(0)
    found = [
        10 ** (level_db / 20) * draw.standard_normal(round(seconds * RATE_HZ))
        for seconds, level_db in parts
    ]
    return np.concatenate(found).astype(np.float32)


def words_of(segments: list[Segment]) -> list[Segment]:
    """Return the parts of each word as one."""
    words: list[list[Segment]] = []
    for each in segments:
        if each.begins:
            words.append([])
        words[-1].append(each)
    return [
        Segment(
            np.concatenate([each.samples_S for each in parts]),
            True,
            parts[-1].ends,
            parts[0].start_s,
            parts[-1].end_s,
        )
        for parts in words
    ]


def segments_of(chunks: list[NDArray[np.float32]]) -> tuple[list[Segment], WordSegmenter]:
    segmenter = WordSegmenter(RATE_HZ, LONGEST_S)
    return [each for chunk in chunks for each in segmenter.push(chunk)], segmenter


TWO_WORDS = sound(
    (0.5, -50), (0.4, -15), (0.6, -50), (0.3, -20), (0.1, -50), (0.2, -20), (0.5, -50)
)


def test_words_are_found_where_they_are() -> None:
    segments, segmenter = segments_of([TWO_WORDS])
    words = words_of(segments)
    assert [(each.start_s, each.end_s) for each in words] == [
        (pytest.approx(0.3, abs=FRAME_S), pytest.approx(0.9, abs=FRAME_S)),
        (pytest.approx(1.3, abs=FRAME_S), pytest.approx(2.1, abs=FRAME_S)),
    ], "0.2 s before the rise belong to a word, the pause at its end does not"
    assert all(each.ends and segmenter.is_word(each) for each in words)
    assert not segmenter.speaking
    assert segmenter.seconds == pytest.approx(len(TWO_WORDS) / RATE_HZ)
    first = round(words[0].start_s * RATE_HZ)
    np.testing.assert_array_equal(
        words[0].samples_S, TWO_WORDS[first : first + len(words[0].samples_S)]
    )


@given(st.lists(st.integers(0, len(TWO_WORDS)), max_size=60))
def test_any_cut_into_chunks_gives_the_same_words(cuts: list[int]) -> None:
    expected = words_of(segments_of([TWO_WORDS])[0])
    segments, segmenter = segments_of(pieces(TWO_WORDS, cuts))
    for found, word in zip(words_of(segments), expected, strict=True):
        np.testing.assert_array_equal(found.samples_S, word.samples_S)
        assert found[1:] == word[1:]
    assert segmenter.seconds == len(TWO_WORDS) / RATE_HZ


PARTS = st.tuples(st.sampled_from([0.02, 0.1, 0.3, 0.7, 1.3]), st.integers(-70, 0))


@given(
    st.lists(PARTS, min_size=1, max_size=12),
    st.lists(st.integers(0, 3000), max_size=20),
)
def test_any_sound_is_cut_within_the_limits(
    parts: list[tuple[float, float]], cuts: list[int]
) -> None:
    samples = sound(*parts)
    segments, segmenter = segments_of(pieces(samples, cuts))
    assert not segments or segments[0].begins
    words, end_s = words_of(segments), 0.0
    for number, word in enumerate(words):
        assert len(word.samples_S) < (LONGEST_S + FRAME_S) * RATE_HZ
        assert word.start_s >= end_s - FRAME_S
        assert word.ends or (segmenter.speaking and number == len(words) - 1)
        end_s = word.end_s


@pytest.mark.parametrize("level_db", [-200.0, -60.0, -30.0, 0.0])
def test_silence_and_an_even_noise_have_no_words(level_db: float) -> None:
    segments, segmenter = segments_of([sound((5.0, level_db))])
    assert segments == []
    assert segmenter.level_db == pytest.approx(max(level_db, -60), abs=3)
    assert segments_of([np.zeros(9000, np.float32)])[0] == []


def test_a_word_without_a_pause_ends_at_the_length_limit() -> None:
    # The background follows it, so that the second part is no word any more.
    segments, _ = segments_of([sound((0.5, -55), (1.5, -20))])
    first = words_of(segments)[0]
    assert first.ends
    assert LONGEST_S <= len(first.samples_S) / RATE_HZ < LONGEST_S + FRAME_S


def test_a_click_is_no_word() -> None:
    segments, segmenter = segments_of([sound((0.5, -55), (0.02, -10), (0.8, -55))])
    (click,) = words_of(segments)
    assert click.ends
    assert not segmenter.is_word(click)
