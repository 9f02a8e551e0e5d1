"""`svdd.hedge`: results and folders, judges and columns, what is said, drawn and refused."""

import numpy as np
import pytest
import torch

import svdd
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import masked_sequences
from svdd.metrics.hedging import HedgeError
from svdd.scoring.reward import Invalid

G_BEST = 6
"""Of 12 letters: beyond it the judge falls."""


def toy():
    """Masked sequences of 12 letters, each G with probability 0.3."""
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    return masked_sequences(lambda x, t, cond: shares.expand(*x.shape, 4), DNA, length=12, steps=3)


def count_g(designs):
    return [float(design.count("G")) for design in designs]


def judge(designs):
    return [-((design.count("G") - G_BEST) ** 2) + 0.1 * design.count("A") for design in designs]


@pytest.fixture(scope="module")
def pool():
    return svdd.decode(toy(), count_g, method="pretrained", samples=1500, scores={"seen": judge}, progress=False)


def test_a_judge_chooses_the_temperature(pool):
    """G is binomial(12, p) with odds p / (1 - p) = 3/7 exp(1/a): the expected judge is known for every a."""
    made = svdd.hedge(pool, judge)

    def expected(inverse):
        p = 0.3 * np.exp(inverse) / (0.7 + 0.3 * np.exp(inverse))
        a = 12 * (1 - p) * 0.1 / 0.7
        return -(12 * p * (1 - p) + (12 * p - G_BEST) ** 2) + 0.1 * a

    inverses = np.linspace(0, 2, 2001)
    best = inverses[np.argmax(expected(inverses))]
    assert made.tempered.place == "inside"
    assert 1 / made.temperature == pytest.approx(best, abs=0.15)
    for point in made.tempered.points[:6]:
        assert point.judge[1] - 0.1 < expected(1 / point.at) < point.judge[2] + 0.1
    assert 4 <= made.particles <= 40
    assert made.designs == 1500
    assert made.judge_rows == len(set(pool.samples))


def test_a_column_of_the_result_is_the_judge_as_it_is(pool):
    made, asked = svdd.hedge(pool, "seen"), svdd.hedge(pool, judge)
    assert made.judge_rows == 0
    assert made.judge == "seen"
    assert made.temperature == asked.temperature


def test_it_says_what_it_shows(pool, tmp_path):
    made = svdd.hedge(pool, judge)
    said = made.sentences
    assert said[0].startswith(f"By judge the best is temperature {made.temperature:.3g}: ")
    assert said[0].endswith("Below it count_g rises while judge falls.")
    assert "designs count by weight, so what is shown there is not reliable." in said[1]
    assert repr(made) == "\n".join(said)
    frame = made.to_frame()
    assert frame["law"].unique().tolist() == ["tilted", "best-of-n"]
    names = ["law", "at", "judge", "judge_low", "judge_high", "guide", "covariance", "kl", "ess", "reliable"]
    assert frame.columns.tolist() == names
    assert np.isinf(frame["at"][0])
    assert frame.loc[frame["law"] == "best-of-n", "at"].iloc[0] == 1
    page = made.report(tmp_path / "hedge.html")
    text = page.read_text(encoding="utf-8")
    assert text.count("<img") == 2
    assert all(word in text for word in ("How far count_g can be followed, by judge", "nats from the pool"))
    assert made.plot().get_axes()[0].get_xlabel() == "temperature"


def test_a_judge_that_agrees_and_one_that_does_not(pool):
    agrees, against = (svdd.hedge(pool, lambda d, s=s: [s * x for x in count_g(d)]) for s in (1.0, -1.0))
    assert agrees.tempered.place == "last"
    assert "the farthest that these designs tell" in agrees.sentences[0]
    assert np.isinf(against.temperature)
    assert against.particles == 1
    assert "no temperature is better than the pool itself" in repr(against)
    assert against.notes == ()


def test_functions_without_a_name_are_told_apart():
    pool = svdd.decode(toy(), lambda d: count_g(d), method="pretrained", samples=200, progress=False)
    said = svdd.hedge(pool, lambda d: judge(d)).sentences[0]
    assert said.startswith("By the judge the best is temperature ")
    assert "<lambda> rises while the judge falls" in said


@pytest.mark.parametrize(
    ("settings", "relative"),
    [
        ({"method": "pretrained"}, False),
        ({"method": "best-of-n", "particles": 4, "returns": "all"}, False),
        ({"method": "best-of-n", "particles": 4}, True),
        ({"candidates": 2, "temperature": 1.0}, True),
        ({"method": "smc", "particles": 4, "returns": "all"}, True),
    ],
    ids=str,
)
def test_temperatures_are_relative_to_the_law_of_the_run(settings, relative):
    made = svdd.hedge(svdd.decode(toy(), count_g, samples=80, progress=False, **settings), judge)
    assert ["relative to the law of that run" in note for note in made.notes] == [True] * relative
    weighed = "returns" in settings
    assert ["Each design counts once, whatever its log_weight" in note for note in made.notes] == [weighed] * relative


def test_designs_without_a_number_are_left_out_and_invalid_ones_stay():
    def guide(designs):
        return [Invalid("no G") if "G" not in one else float(one.count("G")) for one in designs]

    def half(designs):
        return [float("nan") if one.startswith("A") else -float(one.count("A")) for one in designs]

    result = svdd.decode(toy(), guide, method="pretrained", samples=200, progress=False)
    with pytest.warns(UserWarning, match="judge half"):
        made = svdd.hedge(result, half)
    lost = sum(one.startswith("A") and "G" in one for one in result.samples)
    assert made.designs == sum("G" in one for one in result.samples) - lost
    assert made.notes == (f"half has no number for {lost} valid designs, which are left out.",)


def test_what_cannot_be_hedged_is_refused(pool):
    with pytest.raises(ValueError, match=r"count_g has no held-out reward, so a judge is needed: --judge REWARD"):
        svdd.hedge(pool)
    with pytest.raises(ValueError, match="count_g guided these designs, so it cannot judge them"):
        svdd.hedge(pool, count_g)
    with pytest.raises(ValueError, match="unknown reward 'mrl-jugde'; did you mean mrl-judge"):
        svdd.hedge(pool, "mrl-jugde")
    few = svdd.decode(toy(), count_g, method="pretrained", samples=15, progress=False)
    with pytest.raises(HedgeError, match="at least 16 valid designs, got 15"):
        svdd.hedge(few, judge)


@pytest.mark.slow
def test_a_bundled_run_in_a_folder_is_judged_by_the_held_out_twin(tmp_path):
    job = {"model": "rna-utr", "reward": "mrl", "method": "pretrained", "samples": 48, "model_options": {"steps": 4}}
    result = svdd.run(job, tmp_path / "pool", progress=False)
    made, read = svdd.hedge(tmp_path / "pool"), svdd.hedge(result)
    assert (made.guide, made.judge) == ("mrl", "mrl-judge")
    own = torch.as_tensor(svdd.load_reward("mrl-judge")(result.samples)).double().numpy()
    assert made.tempered.points[0].judge[0] == pytest.approx(np.mean(own), rel=1e-5)
    assert repr(made) == repr(read)
    page = (tmp_path / "pool" / "report.html").read_text(encoding="utf-8")
    assert "Held-out reward against temperature" in page
    with pytest.raises(ValueError, match="mrl guided these designs"):
        svdd.hedge(tmp_path / "pool", "mrl")
