"""A loopback proxy in front of an API server that notes what a client asks and what it is told."""
import http.client
import re
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "host", "content-length"}
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STATE_OF_A_RUN = re.compile(r"(resourceVersion|hash|continue)=[^&]+|(?<=timeout=)[^&]+|(?<=timeoutSeconds=)[^&]+")


def connect(url, timeout=60):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":  # only ever a server of ours on loopback, with a certificate it made itself
        return http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=ssl._create_unverified_context())
    return http.client.HTTPConnection(parts.netloc, timeout=timeout)


def shown(path):
    """A request's path and query, without what only this run knows; the parts of a field selector come in Go's random order."""
    path = STATE_OF_A_RUN.sub(lambda m: m[1] + "=*" if m[1] else "*", UID.sub("UID", urllib.parse.unquote(path)))
    return re.sub(r"(?<=fieldSelector=)[^&]+", lambda m: ",".join(sorted(m[0].split(","))), path)


class RecordingProxy:
    """Plain HTTP on `url`. take() gives "METHOD /path?query 200" of each request since the last take, in order of arrival."""

    def __init__(self, to, token=None):
        seen, lock = [], threading.Lock()
        self._seen, self._lock = seen, lock

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def pass_on(self):
                entry = [f"{self.command} {shown(self.path)}", "?"]
                with lock:
                    seen.append(entry)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
                if token:
                    headers["Authorization"] = f"Bearer {token}"
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                upstream = connect(to)
                try:
                    upstream.request(self.command, self.path, body, headers)
                    answer = upstream.getresponse()
                    entry[1] = str(answer.status)
                    self.relay(answer)
                except (OSError, http.client.HTTPException):
                    self.close_connection = True  # one of the two hung up, as at the end of every watch
                finally:
                    upstream.close()

            def relay(self, answer):
                self.send_response_only(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in HOP_BY_HOP:
                        self.send_header(key, value)
                if answer.status in (204, 304):
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while chunk := answer.read1(1 << 16):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def take(self):
        with self._lock:
            taken = [f"{request} {status}" for request, status in self._seen]
            self._seen.clear()
        return taken

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
