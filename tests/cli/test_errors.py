"""Whatever a user gets wrong is one sentence with the remedy, status 2 and no traceback."""

import sys

import pytest

import svdd.cli.main as program

pytestmark = pytest.mark.usefixtures("quick_report")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"model": "dna-enhancr"}, "unknown model 'dna-enhancr'; did you mean dna-enhancer?"),
        ({"model": "nowhere.py:model"}, "nowhere.py'"),
        ({"model": "no_such_package.module:model"}, "cannot import 'no_such_package.module'"),
        ({"method": "sdvv"}, "unknown method 'sdvv'; did you mean svdd"),
        ({"value": "posterior-meen"}, "unknown value 'posterior-meen'; did you mean posterior-mean?"),
        ({"value": "log-mean-exp,sample=3"}, "unknown option of log-mean-exp 'sample'; did you mean samples?"),
        ({"particles": 3}, "unknown option of svdd 'particles'"),
        ({"candidates": 0}, "candidates should be greater than 0, got 0"),
        ({"candidates": -2}, "candidates should be greater than 0, got -2"),
        ({"samples": 0}, "samples should be greater than 0, got 0"),
        ({"samples": -1}, "samples should be greater than 0, got -1"),
        ({"steps": 0}, "steps should be greater than 0, got 0"),
        ({"length": -5}, "length should be greater than 0, got -5"),
        ({"batch": 0}, "batch should be greater than 0, got 0"),
        ({"every": 0}, "every should be greater than 0, got 0"),
        ({"temperature": -1}, "temperature should be greater than or equal to 0, got -1"),
        ({"seed": -1}, "seed should be greater than or equal to 0, got -1"),
        ({"chunk": "netwrk=3"}, "unknown component to chunk 'netwrk'; did you mean network?"),
        ({"chunk": "network=0"}, "chunks.network should be greater than 0, got 0"),
        ({"model_option": "lenght=3"}, "'lenght'; did you mean length?"),
        ({"window": "0.2,0.9"}, "window"),
        ({"ray-workers": 2}, "ray_workers: the job has no engine that takes it; add engine: ray, or leave it out"),
        ({"ray-resources": "num_cpus=2"}, "ray_resources: the job has no engine"),
        ({"method": "smc", "particles": 3, "temperature": 0}, "smc weighs particles"),
        (
            {"method": "smc", "particles": 3, "potential": "min"},
            "potential should be 'difference', 'max' or 'sum', got 'min'",
        ),
        ({"method": "svdd-r", "particles": 4, "candidates": 2, "samples": 6}, "positive multiple of 4"),
        ({"method": "refine", "fraction": "abc"}, "fraction should be a number or adapted, got 'abc'"),
        ({"method": "svdd-r", "replace": "most"}, "replace should be a number or all, got 'most'"),
        ({"fix": "0:ACGT"}, "0:ACGT must lie within positions 1 to 12"),
        ({"fix": "10:ACGT"}, "10:ACGT must lie within positions 1 to 12"),
        ({"fix": "ACGT"}, "fix takes POSITION:LETTERS"),
        ({"fix": "3:AXG"}, "'X' at position 4"),
        ({"start": "some.fasta"}, "some.fasta: No such file or directory"),
        ({"noise": 0.3}, "go together"),
        ({"fix": "1:A", "template": "some.fasta"}, "give one of them"),
        ({"template": "nowhere.fasta"}, "nowhere.fasta: No such file or directory"),
    ],
)
def test_bad_settings(run, refused, flags, said):
    assert said in refused(run(**{"reward": "score"} | flags))


def test_two_fixed_parts_may_not_overlap(run, refused):
    assert "2:AA must lie within positions 1 to 12 and overlap no other fixed part" in refused(
        run("--fix", "1:AC", "--fix", "2:AA")
    )


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        ("short", "must return 18 numbers of shape (18,), but returned shape (1,)"),
        ("matrix", "but returned shape (18, 2)"),
        ("words", "but returned a str: 'many words'"),
        ("nan", "the reward returned NaN for 18 of 18 designs"),
        ("broken", "broken raised ZeroDivisionError: division by zero; add --debug for the traceback"),
        ("tagged", "tagged raised KeyError: '[red]no such [/thing]'; add --debug"),
        ("scroe", "has no 'scroe': unknown name 'scroe'; did you mean score"),
        ("number", "cannot be called"),
    ],
)
def test_bad_rewards(run, refused, tmp_path, reward, said):
    assert said in refused(run(reward=reward, length=60, share=None))
    assert not (tmp_path / "out").exists()


def test_a_score_that_fails_is_told_as_a_users_own(run, model):
    result = run("--score", f"{model}:broken")
    assert result.status == 0  # the designs are paid for
    assert "broken raised ZeroDivisionError" in result.err
    assert "such designs have no number" in result.err


def test_two_scores_of_one_name(run, refused, model):
    assert "the column 'score' is taken" in refused(run("--score", f"{model}:score", "--score", f"{model}:score"))


def test_a_model_that_is_no_process(call, refused, model, tmp_path):
    words = ("--reward", "gc-content", "--candidates", 2, "--out", tmp_path / "out")
    assert "must return a svdd.Process" in refused(call("run", "--model", f"{model}:not_a_process", *words))


def test_a_file_that_is_not_python(call, refused, tmp_path):
    (tmp_path / "bad.py").write_text("def f(:\n")
    words = (
        "--model",
        f"{tmp_path / 'bad.py'}:f",
        "--reward",
        "gc-content",
        "--candidates",
        2,
        "--out",
        tmp_path / "out",
    )
    assert "SyntaxError" in refused(call("run", *words))


def test_debug_shows_the_traceback_and_the_sentence(run):
    result = run("--debug", reward="broken")
    assert result.status == 2
    assert "Traceback" in result.err
    assert "return 1 / 0" in result.err
    assert "broken raised ZeroDivisionError: division by zero" in result.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold FASTA records"),
        ("ACGT\n", "must hold FASTA records"),
        (">a\n", "must hold FASTA records"),
        (">a\nACGTACGTACGX\n", "'X' at position 12"),
        (">a\nACGT\n", "12 letters, but those given have 4"),
        (">a\nACGTACGTACGN\n>b\nACGT\n", "sequence 1 has 4 letters"),
        (">a\nACGTACGTACGT\n", "leaves nothing to design"),
    ],
)
def test_bad_fasta(run, refused, tmp_path, text, said):
    (tmp_path / "t.fasta").write_text(text)
    assert said in refused(run(template=tmp_path / "t.fasta"))


def test_noise_outside_its_range(run, refused, tmp_path):
    (tmp_path / "t.fasta").write_text(">a\nACGTACGTACGT\n")
    assert "noise" in refused(run(start=tmp_path / "t.fasta", noise=1.5))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle: x\n", "unknown setting 'modle'; did you mean model"),
        ("model: [\n", "is not valid YAML"),
        ("- model\n", "must hold settings"),
        ("\x00", "holds nothing but blanks"),
    ],
)
def test_bad_job_files(call, refused, tmp_path, text, said):
    (tmp_path / "job.yaml").write_text(text)
    assert said in refused(call("run", tmp_path / "job.yaml"))


def test_no_job_file(call, refused, tmp_path):
    assert "job.yaml: No such file or directory" in refused(call("run", tmp_path / "job.yaml"))


def test_a_job_file_that_is_not_text(call, refused, tmp_path):
    (tmp_path / "job.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    assert "job.yaml is not a text file" in refused(call("run", tmp_path / "job.yaml"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--candidate", 3), "--candidate"),
        (("run", "--samples", "many"), "--samples"),
        (("run", "--model", "toy-masked", "--reward", "gc-content"), "a job needs out: add --out"),
        (("run", "--model", "dna-enhancr"), "unknown model 'dna-enhancr'; did you mean dna-enhancer"),
        (("run", "--model", "toy-masked", "--reward", "gc-contents"), "unknown reward 'gc-contents'"),
        (("run", "--model", "toy-masked", "--method", "sdvv"), "unknown method 'sdvv'; did you mean svdd"),
        (("run", "--model", "toy-masked", "--reward", "gc-content", "--method", "sdvv"), "unknown method 'sdvv'"),
        (("run", "--model", "toy-masked", "--reward", "gc-content", "--score", "hepg"), "unknown reward 'hepg'"),
        (("fit-value", "--reward", "hepg"), "unknown reward 'hepg'; did you mean hepg2"),
        (("fit-value", "--model", "toy-masked", "--reward", "gc-content"), "a fitted value needs out: add --out"),
        (
            ("run", "--model", "toy-masked", "--reward", "gc-contents", "--out", "o", "--candidates", 2),
            "unknown reward 'gc-contents'; did you mean gc-content?",
        ),
        (("runn",), "runn"),
        (("cite", "sdvv"), "unknown method 'sdvv'"),
        (("cite",), "Missing argument"),
        (("demo", "--fast", "--full"), "exclude each other"),
    ],
)
def test_bad_command_lines(call, refused, words, said):
    assert said in refused(call(*words))


def test_the_folder_is_a_file(run, refused, tmp_path):
    (tmp_path / "out").write_text("")
    assert "out: Not a directory" in refused(run())


def test_the_folder_cannot_be_made(run, refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot use" in refused(run(out="file/below"))


def test_fasta_without_the_extra(run, refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "Bio.SeqIO.FastaIO", None)
    (tmp_path / "t.fasta").write_text(">a\nACGTACGTACGN\n")
    said = refused(run(template=tmp_path / "t.fasta"))
    assert 'reading FASTA needs biopython, which is not installed: pip install "svdd[sequences]"' in said


def test_the_demo_without_the_extra(call, refused, without, tmp_path):
    without("rapidfuzz")
    said = refused(call("demo", "--out", tmp_path / "out"))
    assert 'svdd demo needs rapidfuzz, which is not installed: pip install "svdd[sequences]"' in said


def test_a_missing_module_is_named_with_the_smallest_extra_that_brings_it(call, refused, monkeypatch):
    def importing(*words):
        import rdkit.Chem.nowhere  # noqa: F401

    monkeypatch.setattr("svdd.cli.listing.methods", importing)
    monkeypatch.setitem(sys.modules, "rdkit", None)
    assert 'this needs rdkit, which is not installed: pip install "svdd[molecules]"' in refused(call("methods"))


def test_damaged_weights(call, refused, tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"not weights at all")
    words = ("--model", "dna-enhancer", "--model-option", f"weights={tmp_path / 'weights.safetensors'}")
    said = refused(call("run", *words, "--reward", "gc-content", "--candidates", 2, "--out", tmp_path / "out"))
    assert "weights.safetensors is not a readable safetensors file" in said


def test_an_error_of_our_own_is_a_sentence_too(call, refused, monkeypatch):
    def broken(*words):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("svdd.cli.listing.methods", broken)
    assert "stopped by RuntimeError: two lines; add --debug for the traceback" in refused(call("methods"))


def test_running_out_of_memory_names_the_remedy(call, refused, monkeypatch):
    def greedy(*words):
        import torch

        raise torch.OutOfMemoryError("tried to allocate 3 PiB")

    monkeypatch.setattr("svdd.cli.listing.methods", greedy)
    assert "--chunk network=64" in refused(call("methods"))


def test_an_interrupt_outside_a_run(call, monkeypatch):
    def interrupted(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr("svdd.cli.listing.methods", interrupted)
    result = call("methods")
    assert result.status == 130
    assert result.err == "svdd: stopped at once\n"


def test_the_entry_point_reads_the_words_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["svdd", "cite", "svdd"])
    with pytest.raises(SystemExit):
        program.main()
    assert "2408.08252" in capsys.readouterr().out
