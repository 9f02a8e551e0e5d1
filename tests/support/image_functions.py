"""Functions of images as users write them, and a server of scores, for tests."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def first_red(images):
    return [image.getpixel((0, 0))[0] for image in images]


def dark(images, prompts):
    """Works on PIL images, and fails on a bright one."""
    if any(red > 190 for red in first_red(images)):
        raise RuntimeError("too bright")
    return [len(prompt) - red / 255 for red, prompt in zip(first_red(images), prompts, strict=True)]


def fitting(images, prompts):
    """How long a prompt is, and a little more the redder its image."""
    return [len(prompt) + red / 1000 for red, prompt in zip(first_red(images), prompts, strict=True)]


@contextmanager
def server():
    """An address that scores every design 1, and what it was asked."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps({"scores": [1] * len(seen[-1]["designs"])}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/score", seen
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
