"""The proxies of deploy/, each running with our file for it in front of a port."""

import contextlib
import datetime
import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deploy.places import DEPLOY, Program, find_program, free_port, tool, wait_until

CADDYFILE = DEPLOY / "Caddyfile"
NGINX_CONF = DEPLOY / "nginx.conf"
HOST = "bridge.test"
FLOWS = "/webhooks/okta /webhooks/second"

# What a distribution's nginx.conf has around the files of conf.d; all that it writes is in its own folder.
_AROUND = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	include {file};
}}
"""


@dataclass
class Front:
    """A proxy that runs. `context`: of TLS, None where it has none."""

    port: int
    context: ssl.SSLContext | None

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """Return a connection to it."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout)
        return self.context.wrap_socket(plain, server_hostname=HOST) if self.context else plain

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"{}"
    ) -> tuple[int, http.client.HTTPMessage, bytes] | None:
        """Ask for a path exactly as it is written; None when nobody answers."""
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            link.sock = self.connect()
            link.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": HOST, **(headers or {})}.items():
                link.putheader(name, value)
            link.putheader("Content-Length", str(len(body)))
            link.endheaders(body)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        except OSError:
            return None
        finally:
            link.close()


@contextmanager
def caddy(folder: Path, upstream: int) -> Iterator[Front]:
    """A Caddy without TLS."""
    port = free_port()
    variables = {
        "BRIDGE_HOST": f"http://{HOST}:{port}",
        "BRIDGE_UPSTREAM": f"127.0.0.1:{upstream}",
        "BRIDGE_FLOWS": FLOWS,
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
    }
    command = [tool("caddy"), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    with Program(command, folder / "caddy.log", variables) as program:
        yield _answering(Front(port, None), program)


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[Front]:
    """An nginx with a certificate of its own, on a port of its own."""
    port = free_port()
    certificate, key = make_certificate(folder)
    variables = {
        "BRIDGE_HOST": HOST,
        "BRIDGE_UPSTREAM": f"127.0.0.1:{upstream}",
        "BRIDGE_FLOWS": FLOWS,
        "BRIDGE_CERTIFICATE": str(certificate),
        "BRIDGE_CERTIFICATE_KEY": str(key),
    }
    (folder / "bridge.conf").write_text(nginx_conf(variables, port), encoding="utf-8")
    user = "user root;" if os.getuid() == 0 else ""  # else it becomes somebody who may not write there
    around = _AROUND.format(user=user, file=folder / "bridge.conf")
    (folder / "nginx.conf").write_text(around, encoding="utf-8")
    command = [nginx_program(), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with Program(command, folder / "nginx.log", {}) as program:
        yield _answering(Front(port, ssl.create_default_context(cafile=certificate)), program)


FRONTS: dict[str, Callable[[Path, int], contextlib.AbstractContextManager[Front]]] = {
    "caddy": caddy,
    "nginx": nginx,
}


def _answering(front: Front, program: Program) -> Front:
    def answers() -> bool:
        assert program.popen.poll() is None, program.lines()
        return front.ask("GET", "/") is not None

    wait_until(answers, "the proxy answers")
    return front


def nginx_program() -> str:
    """Return nginx's path (Debian: `nginx`)."""
    return find_program("nginx", "deploy/nginx.conf")


def nginx_conf(variables: dict[str, str], port: int) -> str:
    """Return deploy/nginx.conf as envsubst makes it, but for where it listens."""
    text = NGINX_CONF.read_text(encoding="utf-8")
    for name, value in variables.items():
        assert f"${{{name}}}" in text, name
        text = text.replace(f"${{{name}}}", value)
    listens = ("listen 443 ssl;", "listen [::]:443 ssl;")
    assert all(text.count(line) == 1 for line in listens)
    return text.replace(listens[0], f"listen 127.0.0.1:{port} ssl;").replace(listens[1], "")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for HOST that signs itself, and its key; return where they are."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - day, now + day
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"
