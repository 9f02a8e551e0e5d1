"""Docking that also hangs and crashes, as its designs say; for worker processes."""

import ctypes


class FragileDocker:
    def __init__(self, docker):
        self.docker = docker

    def __call__(self, designs):
        for design in designs:
            if design == "hang":
                while True:
                    pass
            if design == "segfault":
                ctypes.string_at(0)
        return self.docker(designs)
