"""The clock of `benchmarks/gpu.py`: it is read after the GPU has ended its work."""

import time

import torch


def finished(device):
    """Waits until the device has ended its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(f, device):
    """What `f` gives, and the wall time until the device is done."""
    finished(device)
    started = time.perf_counter()
    result = f()
    finished(device)
    return result, time.perf_counter() - started


@torch.no_grad()
def rate(call, rows, device, seconds):
    """Rows per second of a call that is made for some seconds, and at least once."""
    timed(call, device)  # sets up kernels
    calls, total = 0, 0.0
    while not calls or total < seconds:
        total += timed(call, device)[1]
        calls += 1
    return rows * calls / total


class Watch:
    """Adds up the seconds inside a network's calls."""

    def __init__(self, device):
        self.device, self.seconds = device, 0.0

    def start(self, *_):
        finished(self.device)
        self.started = time.perf_counter()

    def stop(self, *_):
        finished(self.device)
        self.seconds += time.perf_counter() - self.started

    def watched(self, denoiser):
        """The same denoiser."""

        def call(*args):
            self.start()
            answer = denoiser(*args)
            self.stop()
            return answer

        return call


def beside(plain, ours, watched, watch, device):
    """Seconds of both loops, the network's share, and memory.

    Args:
        plain: runs the plain loop; None where there is none.
        ours: runs ours.
        watched: runs ours with a network that tells the watch.
        watch: its clock.
        device: where they run.
    """
    found = {} if plain is None else {"plain s": timed(plain, device)[1]}
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    found["ours s"] = timed(ours, device)[1]
    if device == "cuda":
        found["MB"] = torch.cuda.max_memory_allocated() / 1e6
    if plain is not None:
        found["plain / ours"] = found["plain s"] / found["ours s"]
    watch.seconds = 0.0
    whole = timed(watched, device)[1]
    return found | {"network": watch.seconds / whole}
