"""A stand-in for the Dataflow service: it accepts jobs, echoes them and runs nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def dataflow_service() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the address of the service and the jobs that it received."""
    jobs: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            jobs.append(body)
            echoed = {"id": f"job-{len(jobs)}", "clientRequestId": body.get("clientRequestId"), "name": body["name"]}
            self._answer({**echoed, "projectId": "a-project", "currentState": "JOB_STATE_DONE"})

        def do_GET(self) -> None:
            self._answer({"id": "job-1", "currentState": "JOB_STATE_DONE", "jobMessages": []})

        def _answer(self, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}", jobs
    finally:
        server.shutdown()
        server.server_close()
