"""The tool fetch_webpage: pages as text, and no way into the operator's own network."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from ade import environment
from engine.specs import Outcome
from tools.built_in import ToolFault
from tools.direct import call_directly
from tools.models import Tool
from tools.web.addresses import AddressFilter, ForbiddenAddress
from tools.web.fetching import Fetcher
from tools.web.reading import FETCH_WEBPAGE, read_page

PUBLIC = ["93.184.215.14", "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:812::200e"]
INTERNAL = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.1.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
]


class TestAddresses:
    """What the filter lets through."""

    @pytest.mark.parametrize("address", PUBLIC)
    def test_the_public_internet_is_open(self, address: str) -> None:
        assert AddressFilter().lets_through(ip_address(address))

    @pytest.mark.parametrize("address", INTERNAL)
    def test_everything_else_is_closed(self, address: str) -> None:
        assert not AddressFilter().lets_through(ip_address(address))

    def test_allowed_networks_are_open_and_no_others(self) -> None:
        addresses = AddressFilter.allowing(["10.1.0.0/16", "fd12::/16", "192.168.3.4"])
        assert addresses.lets_through(ip_address("10.1.2.3"))
        assert addresses.lets_through(ip_address("::ffff:10.1.2.3"))
        assert addresses.lets_through(ip_address("fd12::5"))
        assert addresses.lets_through(ip_address("192.168.3.4"))
        for closed in ("10.2.0.1", "192.168.3.5", "127.0.0.1", "fd13::1"):
            assert not addresses.lets_through(ip_address(closed))

    def test_a_name_with_one_address_inside_is_refused(self) -> None:
        with pytest.raises(ForbiddenAddress, match=r"10\.0\.0\.1, which is not on the public internet"):
            AddressFilter().check("mixed.example", ["1.1.1.1", "10.0.0.1"])

    def test_a_name_without_addresses_is_refused(self) -> None:
        with pytest.raises(ForbiddenAddress, match="no address"):
            AddressFilter().check("empty.example", [])

    def test_the_setting_takes_networks_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ADE_FETCH_ALLOW", "10.1.0.0/16, fd12::/16")
        assert environment.networks("ADE_FETCH_ALLOW") == ("10.1.0.0/16", "fd12::/16")
        monkeypatch.setenv("ADE_FETCH_ALLOW", "wiki.internal")
        with pytest.raises(ImproperlyConfigured, match="must list networks"):
            environment.networks("ADE_FETCH_ALLOW")


Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A web server on this machine, which says what each of its paths is told to say, and remembers who was asked for."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    def says(self, path: str, body: bytes, content_type: str = "text/html", status: int = 200, **headers: str) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in {"content-type": content_type, **headers}.items():
                if value:
                    request.send_header(name.replace("_", "-"), value)
            request.end_headers()
            request.wfile.write(body)

        self.answers[path] = answer

    def redirects(self, path: str, location: str) -> None:
        self.says(path, b"", status=302, location=location)

    def url(self, path: str, host: str = "site.example") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.headers["host"], self.path))
            answer = site.answers.get(self.path)
            if answer is None:
                self.send_error(404)
                return
            answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.port, site.server = server.server_port, server
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield site
    server.shutdown()
    server.server_close()


class Names:
    """A resolver: each name gives its addresses in turn, the last for ever; every look-up is remembered."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {"site.example": [["127.0.0.1"]], **names}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        found = self.names.get(host)
        if found is None:
            raise OSError("Name or service not known")
        return found.pop(0) if len(found) > 1 else found[0]


HOME = AddressFilter.allowing(["127.0.0.1"])


def read(url: str, addresses: AddressFilter = HOME, names: Names | None = None, **limits: float) -> str:
    fetcher = Fetcher(addresses, names or Names(), **limits)  # type: ignore[arg-type]
    return asyncio.run(read_page(fetcher, url))


def fault(url: str, addresses: AddressFilter = HOME, names: Names | None = None, **limits: float) -> str:
    with pytest.raises(ToolFault) as caught:
        read(url, addresses, names, **limits)
    return str(caught.value)


class TestInside:
    """No way into the operator's network."""

    def test_a_name_that_leads_inside_is_not_connected_to(self, site: Site) -> None:
        site.says("/", b"secret")
        assert "leads to 127.0.0.1, which is not on the public internet" in fault(site.url("/"), AddressFilter())
        assert site.asked == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
    def test_no_way_of_writing_the_address_helps(self, site: Site, host: str) -> None:
        """With the system's own resolver, which reads all of these as this machine."""
        site.says("/", b"secret")
        with pytest.raises(ToolFault):
            asyncio.run(read_page(Fetcher(), site.url("/", host)))
        assert site.asked == []

    @pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])
    def test_nor_in_ipv6(self, site: Site, host: str) -> None:
        site.says("/", b"secret")
        with pytest.raises(ToolFault):
            asyncio.run(read_page(Fetcher(), site.url("/", host)))
        assert site.asked == []

    @pytest.mark.parametrize("target", ["http://inside.example/", "http://169.254.169.254/latest/meta-data/"])
    def test_a_redirect_to_the_inside_is_not_followed(self, site: Site, target: str) -> None:
        names = Names(**{"inside.example": [["10.0.0.7"]], "169.254.169.254": [["169.254.169.254"]]})
        site.redirects("/", target)
        assert "not on the public internet" in fault(site.url("/"), names=names)
        assert site.asked == [(f"site.example:{site.port}", "/")]

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://site.example/", "gopher://site.example/"])
    def test_a_redirect_to_another_scheme_is_not_followed(self, site: Site, target: str) -> None:
        site.redirects("/", target)
        assert "no web address" in fault(site.url("/"))

    def test_the_address_that_was_checked_is_the_one_that_is_connected_to(self, site: Site) -> None:
        """A name that leads elsewhere at the second look-up: there is no second look-up."""
        site.says("/", b"<p>as checked</p>")
        names = Names(**{"site.example": [["127.0.0.1"], ["10.0.0.7"]]})
        assert "as checked" in read(site.url("/"), names=names)
        assert names.asked == ["site.example"]
        assert site.asked == [(f"site.example:{site.port}", "/")]

    def test_a_name_that_changes_between_redirects_is_looked_at_again(self, site: Site) -> None:
        site.redirects("/", "/again")
        site.says("/again", b"secret")
        names = Names(**{"site.example": [["127.0.0.1"], ["127.0.0.2"]]})
        assert "leads to 127.0.0.2" in fault(site.url("/"), names=names)
        assert [path for _, path in site.asked] == ["/"]

    def test_a_proxy_of_the_environment_is_not_asked(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.says("/", b"<p>directly</p>")
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert "directly" in read(site.url("/"))

    @pytest.mark.parametrize(
        "url",
        ["file:///etc/passwd", "ftp://site.example", "javascript:alert(1)", "site.example", "http://", "http:///x", ""],
    )
    def test_only_web_addresses_are_fetched(self, url: str) -> None:
        assert "no web address" in fault(url) or "no URL" in fault(url)

    def test_addresses_with_a_password_are_refused(self, site: Site) -> None:
        assert "user name or password" in fault(f"http://me:pw@site.example:{site.port}/")


PAGE = """<!doctype html><html><head><title>Tides  of
the coast</title><style>p {}</style><script>var x = "not text"</script></head><body>
<nav><a href="/">Home</a></nav><h1>Tides</h1><p>High water at <b>noon</b>, see <a href="../table">the table</a>.</p>
<ul><li>one</li><li>two</li></ul><table><tr><th>Port</th><th>Time</th></tr><tr><td>Norhaven</td><td>12:00</td></tr></table>
<img src="x.png" alt="A chart"><footer>Imprint</footer></body></html>"""


class TestPages:
    """What the model reads."""

    def test_a_page_becomes_markdown(self, site: Site) -> None:
        site.says("/a/b", PAGE.encode())
        text = read(site.url("/a/b"))
        assert text.startswith(f"# Tides of the coast\nSource: http://site.example:{site.port}/a/b\n\n# Tides\n\n")
        assert f"High water at **noon**, see [the table](http://site.example:{site.port}/table)." in text
        assert "- one\n- two" in text
        assert "| Port | Time |" in text
        assert "A chart" in text
        for left_out in ("not text", "Home", "Imprint", "p {}"):
            assert left_out not in text

    def test_of_a_page_with_a_main_part_that_is_read(self, site: Site) -> None:
        site.says("/", f"<body><div>around</div><main><p>{'words ' * 60}</p></main></body>".encode())
        text = read(site.url("/"))
        assert ("words" in text, "around" in text) == (True, False)

    def test_a_redirect_is_followed_and_named(self, site: Site) -> None:
        site.redirects("/old", "/new?x=1#part")
        site.says("/new?x=1", b"<p>here</p>")
        text = read(site.url("/old"))
        assert f"Source: http://site.example:{site.port}/new?x=1\n" in text

    def test_endless_redirects_end(self, site: Site) -> None:
        site.redirects("/", "/")
        assert "redirects more than 5 times" in fault(site.url("/"))
        assert len(site.asked) == 6

    @pytest.mark.parametrize(
        ("content_type", "body", "expected"),
        [
            ("text/plain", b"just text", "just text"),
            ("application/json", b'{"a": 1}', '{"a": 1}'),
            ("application/ld+json; charset=utf-8", b"[]", "[]"),
            ("text/plain; charset=latin-1", "gr\u00fcn".encode("latin-1"), "gr\u00fcn"),
            ("text/plain; charset=no-such", "gr\u00fcn".encode(), "gr\u00fcn"),
            ("text/html; charset=iso-8859-1", "<p>gr\u00fcn</p>".encode("latin-1"), "gr\u00fcn"),
            ("text/html", '<meta charset="windows-1252"><p>gr\u00fcn</p>'.encode("cp1252"), "gr\u00fcn"),
            ("", b"<html><p>unnamed</p>", "unnamed"),
        ],
    )
    def test_texts_come_as_they_are_and_in_their_characters(
        self, site: Site, content_type: str, body: bytes, expected: str
    ) -> None:
        site.says("/", body, content_type)
        assert read(site.url("/")).partition("\n\n")[2] == expected

    @pytest.mark.parametrize("content_type", ["image/png", "application/pdf", "application/octet-stream", ""])
    def test_what_is_no_text_says_so(self, site: Site, content_type: str) -> None:
        site.says("/", b"\x89PNG\r\n\x1a\n", content_type)
        assert f"is no text but {content_type or 'of an unknown type'}, 8 bytes" in fault(site.url("/"))

    def test_a_page_that_is_not_there_says_so(self, site: Site) -> None:
        assert "answered 404" in fault(site.url("/missing"))

    def test_a_host_that_does_not_answer_or_exist_says_so(self, site: Site) -> None:
        assert "cannot be reached" in fault("http://site.example:9/")
        assert "nowhere.example cannot be found" in fault("http://nowhere.example/")

    def test_an_empty_page_says_so(self, site: Site) -> None:
        site.says("/", b"<html><body></body></html>")
        assert "[The page shows no text.]" in read(site.url("/"))


class TestCertificates:
    """The connection goes to an address, and the certificate is checked for the name."""

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """A key with a certificate for site.example that it signed itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site.example")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("site.example")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "certificate.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path

    @pytest.fixture
    def names_told(self, site: Site, certificate: Path) -> list[str | None]:
        """Has the site speak TLS; the names that clients say they want to speak to."""
        told: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda sock, name, _: told.append(name)
        assert site.server is not None
        site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
        return told

    def test_a_certificate_of_the_name_is_accepted(
        self, site: Site, certificate: Path, names_told: list[str | None]
    ) -> None:
        site.says("/", b"<p>safely</p>")
        url = site.url("/").replace("http:", "https:")
        fetcher = Fetcher(HOME, Names(), tls=ssl.create_default_context(cafile=str(certificate)))
        assert "safely" in asyncio.run(read_page(fetcher, url))
        assert names_told == ["site.example"]

    def test_a_certificate_of_another_name_is_not(
        self, site: Site, certificate: Path, names_told: list[str | None]
    ) -> None:
        site.says("/", b"<p>safely</p>")
        url = site.url("/", "other.example").replace("http:", "https:")
        trusting = ssl.create_default_context(cafile=str(certificate))
        fetcher = Fetcher(HOME, Names(**{"other.example": [["127.0.0.1"]]}), tls=trusting)
        with pytest.raises(ToolFault, match=r"cannot be reached.*not valid for 'other\.example'"):
            asyncio.run(read_page(fetcher, url))
        assert (site.asked, names_told) == ([], ["other.example"])

    def test_one_that_nobody_vouches_for_is_not(self, site: Site, names_told: list[str | None]) -> None:
        site.says("/", b"<p>safely</p>")
        assert "CERTIFICATE_VERIFY_FAILED" in fault(site.url("/").replace("http:", "https:"))
        assert site.asked == []


class TestLimits:
    """Pages are written by anybody."""

    def test_a_page_is_read_up_to_a_size(self, site: Site) -> None:
        site.says("/", b"x" * 5_000, "text/plain")
        text = read(site.url("/"), most_bytes=1_000)
        assert text.count("x" * 1_000) == 1
        assert text.endswith("[The page is longer; the rest was not read.]")

    def test_a_page_that_unpacks_to_more_is_cut_as_well(self, site: Site) -> None:
        site.says("/", gzip.compress(b"y" * 50_000_000), "text/plain", content_encoding="gzip")
        text = read(site.url("/"), most_bytes=1_000)
        assert text.partition("\n\n")[2].startswith("y" * 1_000 + "\n\n[")

    @pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
    def test_packed_pages_are_read(self, site: Site, pack: Callable[[bytes], bytes]) -> None:
        packing = "gzip" if pack is gzip.compress else "deflate"
        site.says("/", pack(b"packed text"), "text/plain", content_encoding=packing)
        assert read(site.url("/")).endswith("packed text")

    def test_a_packing_that_nobody_asked_for_is_refused(self, site: Site) -> None:
        site.says("/", b"?", "text/plain", content_encoding="br")
        assert "packed in a way" in fault(site.url("/"))

    def test_a_page_that_pretends_to_be_packed_is_refused(self, site: Site) -> None:
        site.says("/", b"not packed", "text/plain", content_encoding="gzip")
        assert "broke off" in fault(site.url("/"))

    def test_a_server_that_only_trickles_is_left(self, site: Site) -> None:
        is_over = threading.Event()

        def trickle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("content-type", "text/plain")
            request.end_headers()
            while not is_over.wait(0.05):
                try:
                    request.wfile.write(b".")
                except OSError:
                    return

        site.answers["/"] = trickle
        try:
            assert "took longer than 0.5 s" in fault(site.url("/"), seconds=0.5)
        finally:
            is_over.set()

    def test_a_page_nested_deeper_than_python_recurses_is_read(self, site: Site) -> None:
        site.says("/", b"<div>" * 20_000 + b"deep")
        assert read(site.url("/")).endswith("deep")


def test_the_tool_itself_reads_what_the_setting_allows_and_nothing_else(site: Site, settings: Settings) -> None:
    site.says("/", b"<p>the wiki</p>")
    tool = Tool(name="fetch_webpage", tool_type=FETCH_WEBPAGE.tool_type, json_schema=FETCH_WEBPAGE.json_schema)
    url = f'{{"url": "http://127.0.0.1:{site.port}/"}}'
    refused = asyncio.run(call_directly(tool, url))
    assert (refused.outcome, "not on the public internet" in refused.text) == (Outcome.ERROR, True)
    settings.ADE_FETCH_ALLOW = ("127.0.0.0/8",)
    assert "the wiki" in asyncio.run(call_directly(tool, url)).text
