"""A disk that takes no more: one sentence, and what was kept goes on to the same designs."""

import subprocess
import sys
from pathlib import Path

import pytest

from svdd.cli.main import main

pytestmark = pytest.mark.slow

LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from svdd.cli.main import main
main(sys.argv[2:])
"""
JOB = [
    "run",
    "--model",
    "dna-enhancer",
    "--steps",
    "6",
    "--samples",
    "8",
    "--candidates",
    "3",
    "--reward",
    "gc-content",
]


def command(arguments):
    with pytest.raises(SystemExit) as status:
        main(arguments)
    return status.value.code


def test_a_run_that_cannot_write_says_so_and_goes_on_later(tmp_path, capsys):
    often, alone = tmp_path / "often", tmp_path / "alone"
    words = [*JOB, "--quiet", "--save-seconds", "0.001", "--out", str(often)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "60000", *words], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(often) in done.stderr
    assert command(["resume", str(often), "--quiet"]) == 0
    assert command([*JOB, "--quiet", "--out", str(alone)]) == 0
    assert (often / "samples.csv").read_bytes() == (alone / "samples.csv").read_bytes()
    assert not (often / "state.pt").exists()


def test_an_unwritable_folder_is_told_at_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command([*JOB, "--out", str(tmp_path / "file" / "run")]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "file" / "run") in said
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["methods"], ["methods", "--json"], ["cite", "svdd"]])
def test_a_full_disk_under_the_output_is_one_sentence(words):
    code = "from svdd.cli.main import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code, *words], stdout=full, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 2
    assert done.stderr.decode() == "svdd: cannot use the output: No space left on device\n"
