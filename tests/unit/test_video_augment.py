import pytest
import torch

from gru_suite.errors import UserError
from gru_suite.options import build
from gru_suite.tasks.video_action.batches.augmentation import Augmentation, augment, centre_crop

SIZE = [16, 20]
ALL = Augmentation(
    zoom=0.3, stretch=0.2, flip=0.5, brightness=0.2, contrast=0.3, saturation=0.5, tint=0.2,
    grey=0.3, reverse=0.5,
)  # fmt: skip


def clips(num_clips: int = 4, num_frames: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    x_BThw3 = torch.randint(0, 256, (num_clips, num_frames, 24, 28, 3), dtype=torch.uint8)
    return x_BThw3, torch.full((num_clips,), num_frames)


def draw(options: Augmentation, seed: int = 0, num_clips: int = 4) -> torch.Tensor:
    torch.manual_seed(1)
    x_BThw3, lengths_B = clips(num_clips)
    return augment(x_BThw3, lengths_B, SIZE, options, torch.Generator().manual_seed(seed))


def test_the_same_generator_state_gives_the_same_batch() -> None:
    first, again, other = draw(ALL), draw(ALL), draw(ALL, seed=1)
    assert first.shape == (4, 3, *SIZE, 3)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_by_default_only_the_place_of_the_crop_is_drawn() -> None:
    torch.manual_seed(1)
    x_BThw3, _ = clips()
    found_BTHW3 = draw(Augmentation())
    height, width = SIZE
    for row in range(len(x_BThw3)):
        crops = [
            x_BThw3[row, :, top : top + height, left : left + width]
            for top in range(9)
            for left in range(9)
        ]
        assert any(torch.equal(found_BTHW3[row], crop) for crop in crops)


def test_all_frames_of_a_clip_are_changed_alike() -> None:
    frame = torch.randint(0, 256, (6, 1, 24, 28, 3), dtype=torch.uint8)
    still_BThw3 = frame.expand(-1, 4, -1, -1, -1)
    found = augment(still_BThw3, torch.full((6,), 4), SIZE, ALL, torch.Generator().manual_seed(0))
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert not torch.equal(found[0], found[1])


def test_mirrors_and_turns_round() -> None:
    x_BThw3 = torch.zeros(8, 3, *SIZE, 3, dtype=torch.uint8)
    x_BThw3[:, 0, :, 0] = 200
    lengths_B = torch.tensor([3, 2] * 4)
    options = Augmentation(flip=1.0, reverse=1.0)
    found = augment(x_BThw3, lengths_B, SIZE, options, torch.Generator().manual_seed(0))
    for row, length in enumerate(lengths_B.tolist()):
        # The padding stays at the end.
        assert found[row].nonzero()[:, 0].unique().tolist() == [length - 1]
        assert found[row].nonzero()[:, 2].unique().tolist() == [SIZE[1] - 1]


def test_a_flip_by_chance_takes_about_its_share() -> None:
    x_BThw3 = torch.zeros(400, 1, *SIZE, 3, dtype=torch.uint8)
    x_BThw3[..., 0, :] = 9
    options = Augmentation(flip=0.25)
    found = augment(x_BThw3, torch.ones(400).long(), SIZE, options, torch.Generator())
    assert found[..., -1, :].any((1, 2, 3)).float().mean().item() == pytest.approx(0.25, abs=0.07)


def test_grey_clips_have_no_colours_and_keep_their_brightness() -> None:
    x_BThw3, lengths_B = clips()
    found = augment(x_BThw3, lengths_B, SIZE, Augmentation(grey=1.0), torch.Generator())
    assert (found.amax(-1) - found.amin(-1)).max() <= 1
    flat = torch.full((1, 1, *SIZE, 3), 77, dtype=torch.uint8)
    options = Augmentation(grey=1.0, saturation=0.9)
    kept = augment(flat, torch.ones(1).long(), SIZE, options, torch.Generator())
    assert (kept.int() - 77).abs().max() <= 1


def test_values_stay_in_range() -> None:
    x_BThw3 = torch.tensor([0, 255], dtype=torch.uint8).repeat(16 * 20 * 3 // 2)
    x_BThw3 = x_BThw3.view(1, 1, *SIZE, 3).expand(20, -1, -1, -1, -1)
    options = Augmentation(brightness=1.0, contrast=1.0)
    found = augment(x_BThw3, torch.ones(20).long(), SIZE, options, torch.Generator())
    # Wrapping round would put the bright below the dark.
    assert bool((found.flatten(1)[:, 1::2] >= found.flatten(1)[:, ::2]).all())


def test_a_zoomed_crop_shows_the_same_scene_larger() -> None:
    rows = torch.arange(24).view(1, 1, 24, 1, 1) * 10
    x_BThw3 = rows.expand(50, 1, 24, 28, 3).to(torch.uint8)
    options = Augmentation(zoom=0.5)
    found = augment(x_BThw3, torch.ones(50).long(), SIZE, options, torch.Generator())
    span_B = (found[:, 0, -1, 0, 0].int() - found[:, 0, 0, 0, 0].int()).float()
    assert span_B.min() >= 0.4 * 230
    assert span_B.max() > 0.85 * 230
    assert span_B.std() > 10


def test_the_centre_is_cut_from_anything() -> None:
    x_BThw3, _ = clips()
    assert torch.equal(centre_crop(x_BThw3, SIZE), x_BThw3[:, :, 4:20, 4:24])
    assert torch.equal(centre_crop(x_BThw3[0, 0], SIZE), x_BThw3[0, 0, 4:20, 4:24])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flop": 0.5}, r"data\.augment\.flop: no such option; did you mean 'flip'\?"),
        ({"flip": 2}, r"data\.augment\.flip=2: needs a number from 0 to 1"),
        ({"zoom": 1.0}, r"data\.augment\.zoom=1\.0: needs a number from 0 to 0\.9"),
        ({"grey": True}, r"data\.augment\.grey=True: needs a number"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(Augmentation, "data.augment", options)
