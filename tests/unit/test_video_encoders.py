import copy
import inspect
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torchvision import models

from gru_suite.errors import UserError
from gru_suite.tasks.video_action.network import pretrained
from gru_suite.tasks.video_action.network.frame_encoder import FrameEncoder
from gru_suite.testing.contract import compose_config


def clips(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_padding_neither_changes_features_nor_statistics(norm: str) -> None:
    encoder = FrameEncoder(channels=(8, 16), norm=norm, appearance_dropout=0)
    x_BTHW3, lengths_B = clips(3, 5, 24, 32), torch.tensor([5, 1, 3])
    blank_BTHW3 = x_BTHW3.clone()
    blank_BTHW3[1, 1:], blank_BTHW3[2, 3:] = 0, 255
    twin = copy.deepcopy(encoder)
    found_BTF, again_BTF = encoder(x_BTHW3, lengths_B), twin(blank_BTHW3, lengths_B)
    torch.testing.assert_close(found_BTF, again_BTF)
    assert not found_BTF[1, 1:].any()
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name])
    encoder.eval()
    alone_BTF = encoder(x_BTHW3[2:, :3])
    torch.testing.assert_close(encoder(x_BTHW3, lengths_B)[2:, :3], alone_BTF)


def test_a_frame_is_seen_with_the_one_before_it_and_none_after() -> None:
    encoder = FrameEncoder(channels=(8, 16)).eval()
    x_BTHW3 = clips(2, 4, 24, 32)
    whole_BTF = encoder(x_BTHW3)
    parts = [encoder(x_BTHW3[:, :2]), encoder(x_BTHW3[:, 2:], None, x_BTHW3[:, 1])]
    torch.testing.assert_close(torch.cat(parts, 1), whole_BTF)
    without_before_BTF = encoder(x_BTHW3[:, 2:])
    assert not torch.allclose(without_before_BTF[:, 0], whole_BTF[:, 2])
    torch.testing.assert_close(without_before_BTF[:, 1], whole_BTF[:, 3])


def test_appearance_dropout_leaves_change_alone() -> None:
    still_BTHW3 = clips(4, 1, 16, 16).expand(-1, 3, -1, -1, -1)
    encoder = FrameEncoder(channels=(8,), norm="group", appearance_dropout=1.0)
    assert not torch.allclose(encoder.eval()(still_BTHW3)[0], encoder(still_BTHW3)[1])
    dropped_BTF = encoder.train()(still_BTHW3)
    torch.testing.assert_close(dropped_BTF[0], dropped_BTF[1])


@pytest.mark.parametrize(("name", "size"), [(n, e.output_size) for n, e in pretrained.NETWORKS.items()])  # fmt: skip  # noqa: E501
def test_networks_of_torchvision_give_their_features(name: str, size: int) -> None:
    encoder = FrameEncoder(name).eval()
    assert encoder.output_size == size
    x_BTHW3 = clips(1, 2, 32, 40)
    found_BTF = encoder(x_BTHW3)
    assert found_BTF.shape == (1, 2, size)
    # Frames are judged by themselves.
    torch.testing.assert_close(found_BTF[:, 1:], encoder(x_BTHW3[:, 1:]), rtol=1e-4, atol=1e-5)


def test_weights_come_from_a_file_with_or_without_a_classifier(tmp_path: Path) -> None:
    whole = models.resnet18(weights=None, num_classes=3).eval()
    torch.save(whole.state_dict(), tmp_path / "whole.pt")
    features = {k: v for k, v in whole.state_dict().items() if not k.startswith("fc.")}
    torch.save(features, tmp_path / "features.pt")
    x_BTHW3 = clips(1, 1, 32, 32)
    found = [
        FrameEncoder("resnet18", str(tmp_path / name)).eval()(x_BTHW3)
        for name in ("whole.pt", "features.pt")
    ]
    assert torch.equal(*found)
    whole.fc = torch.nn.Identity()
    mean_3, std_3 = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x_1HW3 = (x_BTHW3[0] / 255 - mean_3) / std_3
    torch.testing.assert_close(found[0][0], whole(x_1HW3.permute(0, 3, 1, 2)), rtol=1e-4, atol=1e-4)


def test_small_cnn_takes_its_own_weights(tmp_path: Path) -> None:
    first = FrameEncoder(channels=(8,)).eval()
    torch.save(first.network.state_dict(), tmp_path / "small.pt")
    again = FrameEncoder(weights=str(tmp_path / "small.pt"), channels=(8,), frozen=True)
    x_BTHW3 = clips(1, 2, 16, 16)
    # Frozen layers keep their statistics in training too.
    assert torch.equal(again.train()(x_BTHW3), first(x_BTHW3))
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_weights_that_cannot_be_had_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pt")
    torch.save([torch.nn.Linear(1, 1)], tmp_path / "pickle.pt")
    (tmp_path / "text.pt").write_text("no weights")
    cases = {
        "nowhere.pt": "no such file; give DEFAULT, null, or",
        "none.pt": "holds no state dict",
        "pickle.pt": "no file of tensors that loads safely",
        "text.pt": "no file of tensors that loads safely",
        "resnet18.pt": "not the weights of mobilenet_v3_small",
    }
    for name, message in cases.items():
        with pytest.raises(UserError, match=rf"task\.encoder\.weights=\S*{name}: {message}"):
            FrameEncoder("mobilenet_v3_small", str(tmp_path / name))
    # A proxy that refuses stands for a machine without a network.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    message = r"could not be fetched from https://.*; set task\.encoder\.weights=null, or to a file"
    with pytest.raises(UserError, match=message):
        FrameEncoder("resnet18", "DEFAULT")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet81"}, r"task\.encoder\.name=resnet81: .*; did you mean 'resnet18'\?"),
        (
            {"weights": "DEFAULT"},
            r"small_cnn has no pre-trained weights; set task\.encoder\.weights",
        ),
        ({"frozen": True}, r"task\.encoder\.frozen=true with task\.encoder\.weights=null"),
        ({"norm": "layer"}, r"task\.encoder\.norm=layer: choose one of batch, group"),
        ({"channels": []}, r"task\.encoder\.channels=\[\]: needs at least one number above 0"),
        ({"channels": [12], "norm": "group"}, r"each a multiple of 8 with norm=group"),
        ({"appearance_dropout": 2}, r"task\.encoder\.appearance_dropout=2: needs a number"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FrameEncoder(**options)  # type: ignore[arg-type]


def test_the_yaml_has_every_option_with_its_default() -> None:
    given = OmegaConf.to_container(compose_config(["task=video_action"]).task.encoder)
    defaults = {
        name: list(each.default) if isinstance(each.default, tuple) else each.default
        for name, each in inspect.signature(FrameEncoder).parameters.items()
    }
    assert given == defaults
