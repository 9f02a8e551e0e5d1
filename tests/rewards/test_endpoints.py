"""HTTP endpoints as rewards: a real server that is slow, busy, broken or gone."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from svdd.registry import load_reward
from svdd.rewards.endpoints import EndpointError, endpoint
from svdd.rewards.worker_pool import workers
from svdd.scoring.policy import Policy, RewardFailureWarning
from svdd.scoring.reward import RewardError
from svdd.scoring.scorer import Scorer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        designs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["designs"]
        self.server.seen.append((time.monotonic(), designs))
        plan = self.server.plan.pop(0) if self.server.plan else {}
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
    http.plan, http.seen = [], []
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield SimpleNamespace(address=f"http://127.0.0.1:{http.server_port}/score", plan=http.plan, seen=http.seen)
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


@pytest.mark.parametrize("options", [{"batch": 0}, {"timeout": 0}, {"retries": -1}, {"rate": 0}])
def test_numbers_that_make_no_sense(options):
    with pytest.raises(ValueError, match="an endpoint needs batch of at least 1"):
        endpoint("http://nowhere/", **options)
