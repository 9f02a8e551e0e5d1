"""HTTP endpoints as rewards: a real server that is slow, busy, broken or gone."""

import json
import pickle
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

import svdd
from support.processes import masked, words
from svdd.cli.main import main
from svdd.registry import load_reward
from svdd.rewards.endpoints import EndpointError, EndpointWarning, endpoint
from svdd.rewards.worker_pool import workers
from svdd.scoring.policy import Policy, RewardFailureWarning
from svdd.scoring.reward import RewardError
from svdd.scoring.scorer import Scorer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        designs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["designs"]
        self.server.seen.append((time.monotonic(), designs))
        self.server.headers.append(dict(self.headers))
        plan = self.server.plan.pop(0) if self.server.plan else self.server.always
        time.sleep(plan.get("sleep", 0))
        if plan.get("hang up"):
            self.close_connection = True
            return
        scores = plan.get("scores", [len(str(design)) if design != "bad" else None for design in designs])
        body = plan.get("body", json.dumps({"scores": scores}).encode())
        self.send_response(plan.get("status", 200))
        for name, value in ({"Content-Length": str(len(body))} | plan.get("headers", {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    """A server whose next answers are `plan`; it remembers what it was asked."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.plan, http.seen, http.headers, http.always = [], [], [], {}
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    address = f"http://127.0.0.1:{http.server_port}/score"
    yield SimpleNamespace(
        address=address, plan=http.plan, seen=http.seen, headers=http.headers, always=http.always, http=http
    )
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def reward(server):
    """Rewards at the server, whose connections are closed in the end."""
    made = []

    def make(**options):
        made.append(load_reward(server.address, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_designs_are_posted_in_batches_and_scores_come_back_in_order(server, reward):
    assert reward(batch=2)(["A", "CC", "GGG", "bad", "TTTT"]) == [1, 2, 3, float("-inf"), 4]
    assert [designs for _, designs in server.seen] == [["A", "CC"], ["GGG", "bad"], ["TTTT"]]


@pytest.mark.parametrize("trouble", [{"status": 429}, {"status": 500}, {"status": 503}, {"hang up": True}], ids=str)
def test_trouble_that_passes_is_waited_for(server, reward, trouble):
    server.plan += [trouble, trouble]
    assert reward()(["A"]) == [1]
    assert len(server.seen) == 3


def test_a_busy_server_says_when(server, reward):
    server.plan += [{"status": 429, "headers": {"Retry-After": "1"}}]
    assert reward()(["A"]) == [1]
    (first, _), (second, _) = server.seen
    assert second - first >= 0.95


def test_requests_a_second_are_limited(server, reward):
    assert reward(batch=1, rate=10)(["A"] * 5) == [1] * 5
    times = [at for at, _ in server.seen]
    assert times[-1] - times[0] >= 0.35


def test_a_slow_answer_is_a_time_out(server, reward):
    server.plan += [{"sleep": 1.0}]
    with pytest.raises(TimeoutError, match=r"did not answer within 0.2 s"):
        reward(timeout=0.2, retries=0)(["A"])


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        ({"status": 403, "body": b"no key"}, EndpointError, "answered with status 403: no key"),
        ({"body": b"<html>"}, RewardError, "must answer .* but answered: <html>"),
        ({"body": b"[1, 2]"}, RewardError, r"must answer .* but answered: \[1, 2\]"),
        ({"scores": [1]}, RewardError, "was given 2 designs and must answer as many scores, but answered 1 scores"),
        ({"scores": [1, "high"]}, RewardError, "answered 'high' where a score was due"),
        ({"scores": [1, True]}, RewardError, "answered True where a score was due"),
    ],
)
def test_what_goes_wrong_is_one_sentence(server, reward, plan, error, said):
    server.plan += [plan]
    with pytest.raises(error, match=said):
        reward()(["A", "B"])
    assert len(server.seen) == 1


def test_trouble_that_does_not_pass(server, reward):
    server.plan += [{"status": 503, "body": b"maintenance"}] * 2
    with pytest.raises(EndpointError, match="status 503: maintenance"):
        reward(retries=1)(["A"])


def test_nobody_there():
    with pytest.raises(EndpointError, match=r"http://127.0.0.1:9/ cannot be reached: .*refused"):
        endpoint("http://127.0.0.1:9/", retries=0)(["A"])


def test_one_design_that_the_server_cannot_take(server, reward):
    refusal = {"status": 400, "body": b"what is X?"}
    server.plan += [refusal, {}, refusal, {}]
    with pytest.warns(RewardFailureWarning, match="status 400: what is X"):
        numbers = Scorer(reward(), policy=Policy(error="invalid"), share=False)(["A", "X", "CC"])
    assert numbers.tolist() == [1, float("-inf"), 2]


@pytest.mark.slow
def test_an_endpoint_in_workers(server):
    with workers(server.address, 2, batch=1, timeout=20, retries=0) as reward:
        assert reward(["A", "AA", "AAA"]).tolist() == [1, 2, 3]


AN_HOUR = {"status": 429, "headers": {"Retry-After": "3600"}, "body": b"later"}


def test_an_hour_is_not_waited_for_without_a_word(server, reward):
    server.plan += [AN_HOUR]
    started = time.monotonic()
    with pytest.warns(EndpointWarning, match=r"status 429: later and asks to wait 3,600 s; the run waits 0.2 s before"):
        assert reward(patience=0.2)(["A"]) == [1]
    assert 0.2 <= time.monotonic() - started < 5


def test_patience_is_the_time_out_unless_given(server, reward):
    server.plan += [AN_HOUR]
    with pytest.warns(EndpointWarning, match=r"the run waits 0.3 s before it asks again \(patience=0.3\)"):
        assert reward(timeout=0.3)(["A"]) == [1]


def test_a_date_is_waited_for_too(server, reward):
    server.plan += [{"status": 503, "headers": {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}}]
    with pytest.warns(EndpointWarning, match="asks to wait"):
        assert reward(patience=0.1)(["A"]) == [1]


def test_a_budget_of_seconds_is_not_slept_away(server, reward):
    """The designs that were scored before are the result."""
    server.plan += [{}] * 2
    server.always.update(AN_HOUR)
    started = time.monotonic()
    with pytest.warns() as told:
        result = svdd.decode(
            masked(decode=words), reward(), candidates=2, samples=2, budget={"seconds": 20}, chunks={"reward": 2}
        )
    assert time.monotonic() - started < 15
    assert len(result) == 2
    assert any("seconds left, too few to wait 60.0 s for http://" in str(one.message) for one in told)


def test_a_rate_does_not_sleep_a_budget_away(reward):
    limited = reward(rate=0.001)
    started = time.monotonic()
    with pytest.warns(svdd.cost.BudgetWarning, match="too few to wait"):
        svdd.decode(masked(decode=words), limited, candidates=2, samples=2, budget={"seconds": 20})
    assert time.monotonic() - started < 15


KEY = "k3y/of+mine=="


def test_a_key_is_sent_and_never_shown(server, reward, monkeypatch):
    given = reward(headers={"Authorization": "Bearer $SVDD_TEST_KEY", "X-Model": "small", "X-Price": "5$$"})
    monkeypatch.setenv("SVDD_TEST_KEY", f"{KEY}\n")  # as a file's content often ends
    assert given(["A"]) == [1]
    sent = server.headers[0]
    assert (sent["Authorization"], sent["X-Model"], sent["X-Price"]) == (f"Bearer {KEY}", "small", "5$")
    assert KEY not in f"{given!r} {given.identity} {given.named} {vars(given)} {pickle.dumps(given)!r}"
    assert "$SVDD_TEST_KEY" in repr(given)
    assert "small" in given.identity
    assert "SVDD_TEST_KEY" not in given.identity  # another key, the same numbers


@pytest.mark.parametrize(
    "plan",
    [
        {"status": 401, "body": f"no such key: {KEY}".encode()},
        {"status": 308, "body": b"", "headers": {"Location": f"https://elsewhere/?key={KEY}"}},
        {"body": json.dumps(KEY).encode()},
        {"scores": [KEY]},
        {"scores": KEY},
    ],
    ids=str,
)
def test_a_server_that_repeats_a_key(server, reward, monkeypatch, plan):
    monkeypatch.setenv("SVDD_TEST_KEY", KEY)
    server.plan += [plan]
    with pytest.raises((EndpointError, RewardError)) as raised:
        reward(headers={"Authorization": "$SVDD_TEST_KEY"})(["A"])
    assert KEY not in str(raised.value)
    assert "$SVDD_TEST_KEY" in str(raised.value)


def test_an_address_that_has_moved_is_told_and_gets_no_key(server, reward):
    server.plan += [{"status": 307, "headers": {"Location": "/score/"}}]
    with pytest.raises(EndpointError, match="status 307: it has moved, give /score/"):
        reward()(["A"])
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("value", "said"), [(None, "which is not set"), ("two\nlines", "signs that"), ("é", "signs that")]
)
def test_variables_that_no_header_can_have(server, reward, monkeypatch, value, said):
    monkeypatch.delenv("SVDD_TEST_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SVDD_TEST_KEY", value)
    with pytest.raises(RewardError, match=f"SVDD_TEST_KEY.*{said}") as raised:
        reward(headers={"X-Key": "${SVDD_TEST_KEY}"})(["A"])
    assert value is None or value not in str(raised.value)
    assert not server.seen


@pytest.mark.parametrize(
    ("address", "headers", "said"),
    [
        ("http://me:t0ken@host/x", {}, r"holds no user name.*give http://host/x and headers="),
        ("https://t0ken@host", {}, r"holds no user name.*give https://host and headers="),
        ("http://me:t0ken/x@host", {}, "no host that can be read"),
        ("http:///t0ken", {}, "has no host"),
        (
            "http://host",
            {"Authorization": "Bearer t0ken"},
            r"Authorization does not hold the key itself: give headers=",
        ),
        ("http://host", {"X-Api-Key": "t0ken"}, "does not hold the key itself"),
        ("http://host", {"X-Model": 3}, "the header 'X-Model' is a int"),
        ("http://host", {"two words": "x"}, "headers are names with texts"),
    ],
)
def test_keys_written_out_are_refused(address, headers, said):
    with pytest.raises(ValueError, match=said) as raised:
        endpoint(address, headers=headers)
    assert "t0ken" not in str(raised.value) or "has no host" in said


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(folder):
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


@pytest.mark.slow
def test_a_run_writes_the_name_of_a_key_alone(server, here, monkeypatch, capsys):
    monkeypatch.setenv("SVDD_TEST_KEY", KEY)
    job = {"model": "toy-masked", "reward": server.address, "samples": 2, "candidates": 2, "out": "a"}
    job["reward_options"] = {"headers": {"Authorization": "Bearer $SVDD_TEST_KEY"}}
    (here / "job.yaml").write_text(json.dumps(job | {"cache": "scores.sqlite"}))
    with pytest.raises(SystemExit) as ended:
        main(["run", "job.yaml"])
    assert ended.value.code == 0, capsys.readouterr().err
    assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"
    for name in ("job.yaml", "run.json"):
        assert "$SVDD_TEST_KEY" in (here / "a" / name).read_text()
    assert {"report.html", "samples.csv"} <= {file.name for file in (here / "a").iterdir()}
    assert KEY.encode() not in everything(here)
    assert KEY not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reward", "http://me:t0ken@127.0.0.1:9/"],
        ["--reward", "gc-content", "--score", "x=http://me:t0ken@127.0.0.1:9/"],
        ["--reward", "gc-content", *["--score", "http://me:t0ken@127.0.0.1:9/"] * 2],
        ["--reward", "http://me:t0ken@127.0.0.1:9/", "--objective", "parts.yaml"],
    ],
    ids=["reward", "score", "equal titles", "with an objective"],
)
def test_an_address_with_a_key_is_in_no_file_and_no_message(here, arguments, capsys):
    (here / "parts.yaml").write_text("parts: {gc-content: }")
    with pytest.raises(SystemExit) as ended:
        main(["run", "--model", "dna-enhancer", *arguments, "--candidates", "2", "--out", "a"])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert "holds no user name" in err, err
    assert "t0ken" not in out + err
    assert b"t0ken" not in everything(here)


@pytest.mark.parametrize("options", [{"batch": 0}, {"timeout": 0}, {"retries": -1}, {"rate": 0}, {"patience": 0}])
def test_numbers_that_make_no_sense(options):
    with pytest.raises(ValueError, match="an endpoint needs batch of at least 1"):
        endpoint("http://nowhere/", **options)
