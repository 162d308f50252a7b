"""The C kernel in its surroundings: threads, forks, operators, training, where it steps aside."""

import copy
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells.native import library
from gru_suite.nn.cells.native.calls import NATIVE_CELLS
from gru_suite.nn.cells.native_layer import _layer
from gru_suite.nn.cells.stack import kernel_serves

# Shapes: B batch, T time steps, F input features, H hidden units, L layers times directions.

pytestmark = pytest.mark.skipif(library.kernel() is None, reason="the kernel was not built")


def run_python(script: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def train_step(
    backbone: RecurrentBackbone, x_BTF: Tensor, lengths_B: Tensor | None
) -> list[Tensor]:
    """Return outputs, last states and the gradients of everything."""
    x_BTF = x_BTF.clone().requires_grad_()
    backbone.zero_grad()
    h_BTH, last = backbone(x_BTF, lengths_B)
    last = last if isinstance(last, tuple) else (last,)
    (h_BTH.square().sum() + sum(part.sum() for part in last)).backward()
    return [h_BTH, *last, x_BTF.grad, *(p.grad for p in backbone.parameters())]


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("batch_size", [6, 8, 33])
def test_one_and_more_threads_give_the_same(threads, batch_size, ragged, cell):
    backbone = RecurrentBackbone(6, cell, 21, 2, bidirectional=True)
    x_BTF = torch.randn(batch_size, 13, 6)
    lengths_B = torch.randint(1, 14, (batch_size,)) if ragged else None
    found = []
    # 7: more than there are cores or blocks of rows.
    for count in (1, 2, 7):
        threads(count)
        found.append(train_step(backbone, x_BTF, lengths_B))
    for more in found[1:]:
        assert torch.equal(found[0][0], more[0])
        assert torch.equal(found[0][1], more[1])
        # The gradients of inputs and weights are torch's products, whose sums follow the threads.
        for a, b in zip(found[0], more, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_a_sequence_has_the_same_bits_in_any_batch(cell):
    backbone = RecurrentBackbone(5, cell, 19, bidirectional=True)
    x_BTF = torch.randn(23, 9, 5)
    whole, _ = backbone(x_BTF)
    for rows in (slice(0, 6), slice(3, 16), slice(16, 23)):
        part, _ = backbone(x_BTF[rows])
        assert torch.equal(part, whole[rows])


@pytest.mark.parametrize("batch_size", [1, 3, 20])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_steps_without_gradient_equal_the_whole(cell, batch_size):
    backbone = RecurrentBackbone(5, cell, 19, 2)
    x_BTF = torch.randn(batch_size, 7, 5)
    whole_BTH, last = backbone(x_BTF)
    state, steps, kept = None, [], []
    with torch.no_grad():
        for t in range(7):
            h_BH, state = backbone.step(x_BTF[:, t], state)
            steps.append(h_BH.clone())
            kept.append(h_BH)
            # What a caller does with an output does not reach the state.
            h_BH.zero_()
    torch.testing.assert_close(torch.stack(steps, 1), whole_BTH)
    torch.testing.assert_close(state, last)
    assert len({h_BH.data_ptr() for h_BH in kept}) == 7


@torch.no_grad()
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_one_step_forward_is_a_step(cell):
    backbone = RecurrentBackbone(5, cell, 19, 2, dropout=0.5).eval()
    x_BTF = torch.randn(3, 4, 5)
    whole_BTH, last = backbone(x_BTF)
    state = None
    for t in range(4):
        h_B1H, after = backbone(x_BTF[:, t : t + 1], torch.ones(3, dtype=torch.int64), state)
        h_BH, state = backbone.step(x_BTF[:, t], state)
        assert torch.equal(h_B1H[:, 0], h_BH)
        for a, b in zip(after, state, strict=True):
            assert torch.equal(a, b)
        torch.testing.assert_close(h_BH, whole_BTH[:, t])
    for a, b in zip(state, last, strict=True):
        torch.testing.assert_close(a, b)
    backbone.train()
    assert (backbone(x_BTF[:, :1])[0] != backbone(x_BTF[:, :1])[0]).any(), "dropout"


def test_two_models_in_two_python_threads():
    models = [RecurrentBackbone(8, cell, 24) for cell in ("gru", "lstm")]
    x_BTF = torch.randn(16, 40, 8)
    alone = [train_step(model, x_BTF, None) for model in models]
    alone = [[part.clone() for part in parts] for parts in alone]
    together: dict[int, list[Tensor]] = {}

    def work(index: int) -> None:
        for _ in range(5):
            together[index] = train_step(models[index], x_BTF, None)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for index in range(2):
        for a, b in zip(alone[index], together[index], strict=True):
            assert torch.equal(a, b)


FORK = """
import os, torch
from gru_suite.nn.backbone import RecurrentBackbone
torch.set_num_threads(2)
torch.manual_seed(0)
backbone, x = RecurrentBackbone(4, "gru", 16), torch.randn(16, 30, 4)
with torch.inference_mode():
    before = backbone(x)[0]
    child = os.fork()
    if child == 0:
        # torch's own pool is lost to a child of a process that used it; ours must not wait for it.
        os._exit(0 if torch.equal(backbone(x)[0], before) else 3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    assert torch.equal(backbone(x)[0], before)
print("same")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_after_use_computes_on():
    assert run_python(FORK).strip() == "same"


ISA = """
import torch
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.cells.native.library import kernel
torch.manual_seed(0)
backbone, x = RecurrentBackbone(4, "gru", 21, 2, True), torch.randn(11, 9, 4)
h, last = backbone(x, torch.tensor([9, 1, 3, 9, 2, 5, 5, 8, 1, 7, 9]))
(h.square().sum() + last.sum()).backward()
name = kernel().name if kernel() else "torch"
print(name, h.sum().item(), backbone.rnn.weight_hh_l1.grad.sum().item())
"""


@pytest.mark.parametrize("choice", ["torch", "portable"])
def test_the_variable_chooses_the_kernel(choice):
    name, *figures = run_python(ISA, GRU_SUITE_KERNEL=choice).split()
    assert name == choice
    _, *default = run_python(ISA).split()
    assert list(map(float, figures)) == pytest.approx(list(map(float, default)), rel=1e-4)


def test_an_unknown_kernel_is_told():
    script = (
        "from gru_suite.errors import UserError\n"
        "from gru_suite.nn.cells.native.library import kernel\n"
        "try:\n    kernel()\n"
        "except UserError as error:\n    print(error)\n"
    )
    printed = run_python(script, GRU_SUITE_KERNEL="sse9")
    assert printed.startswith("GRU_SUITE_KERNEL=sse9: choose one of torch, ")


def test_a_missing_kernel_is_said_once_at_debug_level(tmp_path):
    script = (
        "import logging, sys, torch\n"
        "from gru_suite.nn.backbone import RecurrentBackbone\n"
        "from gru_suite.nn.cells.native import library\n"
        f"library.__file__ = {str(tmp_path / 'library.py')!r}\n"
        "logging.basicConfig(stream=sys.stdout, format='%(levelname)s %(name)s %(message)s')\n"
        "logging.getLogger('gru_suite').setLevel(logging.DEBUG)\n"
        "backbone, x_BTF = RecurrentBackbone(3, 'gru', 5), torch.randn(2, 4, 3)\n"
        "for _ in range(2):\n"
        "    assert torch.equal(backbone(x_BTF)[0], backbone.rnn(x_BTF)[0])\n"
    )
    (line,) = run_python(script, GRU_SUITE_KERNEL="").splitlines()
    assert line.startswith("DEBUG gru_suite.")
    assert "torch.nn" in line


def test_version_names_the_kernel():
    printed = run_python("from gru_suite.cli.main import main; main(['--version', '--verbose'])")
    assert f"gru, lstm, rnn, min_gru on the CPU: C kernel, {library.kernel().name}" in printed


def test_it_steps_aside():
    rnn, x_BTF = nn.GRU(3, 5, batch_first=True), torch.randn(2, 4, 3)
    assert kernel_serves(rnn, x_BTF)
    assert not kernel_serves(rnn, x_BTF.double())
    assert not kernel_serves(rnn, x_BTF.to("meta"))
    assert not kernel_serves(rnn, x_BTF[:0])
    assert not kernel_serves(copy.deepcopy(rnn).double(), x_BTF)
    with torch.autocast("cpu", torch.bfloat16):
        assert not kernel_serves(rnn, x_BTF)
    seen = []
    torch.func.vmap(lambda x: (seen.append(kernel_serves(rnn, x)), x)[1])(x_BTF)
    assert seen == [False]


needs_half = pytest.mark.skipif(
    library.kernel() is not None and not library.kernel().has_half,
    reason="the processor does not multiply bfloat16 numbers",
)


@needs_half
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_autocast_multiplies_bfloat16_numbers(cell, ragged, threads):
    backbone, x_BTF = RecurrentBackbone(5, cell, 24, 2, bidirectional=True), torch.randn(19, 30, 5)
    lengths_B = torch.randint(1, 31, (19,)) if ragged else None
    true = train_step(copy.deepcopy(backbone).double(), x_BTF.double(), lengths_B)
    for count in (1, 2):
        threads(count)
        with torch.autocast("cpu", torch.bfloat16):
            found = train_step(backbone, x_BTF, lengths_B)
        for mine, part in zip(found, true, strict=True):
            assert mine.dtype == torch.float32
            error = (mine - part).norm() / part.norm()
            # Eight binary digits, of which sums of many terms lose none.
            assert 1e-5 < error < 0.02


@needs_half
def test_odd_sizes_and_few_rows_are_float32_under_autocast():
    for batch_size, hidden_size in ((4, 24), (9, 25)):
        backbone = RecurrentBackbone(5, "gru", hidden_size)
        x_BTF, lengths_B = torch.randn(batch_size, 7, 5), None
        plain = train_step(backbone, x_BTF, lengths_B)
        with torch.autocast("cpu", torch.bfloat16):
            found = train_step(backbone, x_BTF, lengths_B)
        torch.testing.assert_close(found, plain)


@needs_half
def test_what_is_not_finite_stays_in_its_row_in_bfloat16():
    backbone, x_BTF = RecurrentBackbone(5, "gru", 24), torch.randn(9, 7, 5)
    x_BTF[2, 3, 1], x_BTF[8, 0, 0] = float("nan"), float("inf")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found_BTH, _ = backbone(x_BTF)
    with torch.no_grad():
        plain_BTH, _ = backbone(x_BTF)
    torch.testing.assert_close(found_BTH, plain_BTH, atol=0.05, rtol=0.05, equal_nan=True)


@pytest.mark.filterwarnings("ignore:The tensor attributes self.rnn:UserWarning")
def test_export_sees_torchs_own_operator():
    backbone = RecurrentBackbone(3, "gru", 5).eval()
    program = torch.export.export(backbone, (torch.randn(2, 4, 3),))
    targets = {str(node.target) for node in program.graph.nodes}
    assert "aten.gru.input" in targets
    assert not any("gru_suite" in target for target in targets)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_compile_sees_one_operator_a_layer(cell):
    backbone, x_BTF = RecurrentBackbone(3, cell, 5, 2), torch.randn(8, 4, 3)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    # Dynamo leaves modules that are a GRU to eager by default; the kernel runs there as well.
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(backbone, backend=backend, fullgraph=True)
        torch.testing.assert_close(compiled(x_BTF)[0], backbone(x_BTF)[0])
    targets = [str(node.target) for graph in graphs for node in graph.graph.nodes]
    assert sum("recurrent_layer" in target for target in targets) == 2


# From inside torch's own check.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_the_operator_keeps_torchs_rules(reverse, ragged, cell):
    lengths_B = torch.tensor([4, 3, 1]) if ragged else None
    offsets = torch.tensor([0, 3, 5, 7, 8]) if ragged else None
    kind = NATIVE_CELLS[cell]
    G, N = 5 * kind.num_gates, 8 if ragged else 12
    shapes = [(N, 2), (kind.num_states, 3, 5), (G, 2), (G, 5), (G,), (G,)]
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    options = (offsets, lengths_B, reverse)
    torch.library.opcheck(_layer, (*inputs, *options, True, False, cell, None))
    fixed = [tensor.detach() for tensor in inputs]
    torch.library.opcheck(_layer, (*fixed, *options, False, False, cell, None))
    h_NH, *_ = _layer(*inputs, *options, False, False, cell, None)
    with pytest.raises(RuntimeError, match="save=True"):
        h_NH.sum().backward()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("ragged", [False, True])
def test_gradients_equal_finite_differences(ragged, cell):
    """Float32 leaves few digits: along random directions, with a step that balances both errors."""
    backbone = RecurrentBackbone(3, cell, 6, 2, bidirectional=True)
    lengths_B = torch.tensor([5, 2, 4]) if ragged else None
    x_BTF = torch.randn(3, 5, 3)
    states = tuple(torch.rand(4, 3, 6) - 0.5 for _ in range(2 if cell == "lstm" else 1))
    leaves = [x_BTF, *states, *backbone.parameters()]
    for leaf in leaves:
        leaf.requires_grad_()

    def loss() -> Tensor:
        h_BTH, last = backbone(x_BTF, lengths_B, states if cell == "lstm" else states[0])
        last_LBH = torch.cat(last) if cell == "lstm" else last
        return h_BTH.double().sin().sum() + last_LBH.double().square().sum()

    grads = torch.autograd.grad(loss(), leaves)
    for leaf, grad in zip(leaves, grads, strict=True):
        direction = torch.randn_like(leaf)
        step = 1e-2 / float(direction.norm())
        with torch.no_grad():
            values = []
            for sign in (1, -2):
                leaf.add_(sign * step * direction)
                values.append(float(loss()))
            leaf.add_(step * direction)
        slope = (values[0] - values[1]) / (2 * step)
        assert float((grad * direction).sum()) == pytest.approx(slope, rel=1e-2, abs=2e-3)


def test_backward_runs_again_on_the_same_graph():
    backbone = RecurrentBackbone(3, "gru", 6)
    h_BTH, _ = backbone(torch.randn(9, 5, 3))
    weights = list(backbone.parameters())
    first = torch.autograd.grad(h_BTH.sum(), weights, retain_graph=True)
    second = torch.autograd.grad(h_BTH.sum(), weights)
    assert all(map(torch.equal, first, second))


def test_denormals_are_flushed_inside_and_the_setting_is_restored():
    tiny = torch.tensor(1e-40)
    backbone = RecurrentBackbone(2, "gru", 9)
    backbone(torch.randn(8, 6, 2))[0].sum().backward()
    assert (tiny * 1).item() > 0


def test_training_follows_torchs_loss_curve(monkeypatch):
    def losses(ours: bool) -> list[float]:
        torch.manual_seed(0)
        backbone = RecurrentBackbone(4, "gru", 32)
        head = nn.Linear(32, 1)
        optimizer = torch.optim.Adam([*backbone.parameters(), *head.parameters()], lr=3e-3)
        found = []
        for _ in range(60):
            x_BTF = torch.randn(16, 20, 4)
            target_BT = x_BTF[:, :, 0].cumsum(1).sin()
            h_BTH = (backbone if ours else backbone.rnn)(x_BTF)[0]
            loss = (head(h_BTH).squeeze(2) - target_BT).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    ours, theirs = losses(True), losses(False)
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert ours[-1] < 0.9 * ours[0]


def test_sources_are_where_the_build_looks():
    folder = Path(library.__file__).parent
    sources = {path.name for path in folder.glob("*.[ch]")}
    assert {"recurrent_kernel.c", "recurrent_kernel.h", "instruction_set.h"} < sources
    included = set(re.findall(r'#include "(.+)"', "".join(map(_text, folder.glob("*.[ch]")))))
    assert included == sources - {"recurrent_kernel.c"}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
