"""The C kernel's own tests, plain, with the sanitizers and under valgrind."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import gru_suite

SOURCES = Path(gru_suite.__file__).parent / "nn" / "cells" / "native"
CHECK = Path(__file__).with_name("kernel_check.c")
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]

pytestmark = pytest.mark.slow


def compiler() -> str:
    found = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not found:
        pytest.skip("needs a C compiler")
    return found


def build(folder: Path, *flags: str) -> Path:
    program = folder / "kernel_check"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    sources = [SOURCES / "recurrent_kernel.c", CHECK]
    command = [compiler(), "-g", "-ffp-contract=fast", "-pthread", *warnings, *flags]
    subprocess.run([*command, "-I", SOURCES, *sources, "-o", program, "-lm"], check=True)
    return program


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("flags", [["-O0"], ["-O3"], ["-O2", "-std=c11", "-pedantic"]], ids=str)
def test_the_equations_hold_in_every_instruction_set(tmp_path, flags):
    assert "portable: 0 failures" in run(build(tmp_path, *flags))


def test_address_and_undefined_behaviour_sanitizers(tmp_path):
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    linked = subprocess.run(
        [compiler(), *SANITIZE, probe, "-o", tmp_path / "probe"], capture_output=True, check=False
    )
    if linked.returncode:
        pytest.skip("the compiler has no sanitizers")
    run(build(tmp_path, "-O1", *SANITIZE))


def test_thread_sanitizer(tmp_path):
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    probed = [compiler(), "-fsanitize=thread", probe, "-o", tmp_path / "probe"]
    linked = subprocess.run(probed, capture_output=True, check=False)
    if linked.returncode or subprocess.run([tmp_path / "probe"], check=False).returncode:
        pytest.skip("the compiler or the system has no thread sanitizer")
    run(build(tmp_path, "-O1", "-fsanitize=thread"))


def test_valgrind(tmp_path):
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind")
    program = build(tmp_path, "-O1")
    run("valgrind", "--quiet", "--leak-check=full", "--error-exitcode=9", program)
