"""Fetching a page for a model: a few redirects, each looked at anew, and never from inside the operator's network."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from tools.web.addresses import AddressFilter, ForbiddenAddress, Resolve, resolve

MOST_BYTES = 2 << 20
MOST_REDIRECTS = 5
SECONDS = 20.0
_MOST_ADDRESSES = 3
_HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; Tandem)",
    "Accept": "text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.9,*/*;q=0.1",
    # The size is limited after unpacking, so nothing that unpacks to more than was looked at.
    "Accept-Encoding": "identity",
}


class FetchProblem(Exception):
    """A page that could not be fetched. The text tells the model why."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a server answered. `url` is where it was found in the end; `is_cut` where the body goes on."""

    url: str
    content_type: str
    charset: str
    body: bytes
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches pages that the filter lets through. `tls` says which certificates are trusted, True being the usual ones."""

    addresses: AddressFilter = field(default_factory=AddressFilter)
    resolve: Resolve = resolve
    most_bytes: int = MOST_BYTES
    seconds: float = SECONDS
    tls: ssl.SSLContext | bool = True

    async def fetch(self, url: str) -> Page:
        """The page behind this URL. Raises FetchProblem."""
        # No proxy of the environment: it would look names up by itself.
        async with httpx.AsyncClient(timeout=self.seconds, verify=self.tls, trust_env=False) as client:
            target = read_url(url)
            for _ in range(MOST_REDIRECTS + 1):
                response = await self._ask(client, target)
                try:
                    if not response.has_redirect_location:
                        return await self._read(target, response)
                    target = _redirected(target, response.headers["location"])
                finally:
                    await response.aclose()
        raise FetchProblem(f"{url} redirects more than {MOST_REDIRECTS} times.")

    async def _ask(self, client: httpx.AsyncClient, target: httpx.URL) -> httpx.Response:
        """The answer of the first of the host's addresses that can be reached: of those that were looked at, and no
        others, whatever the name leads to a moment later."""
        port = target.port or (443 if target.scheme == "https" else 80)
        why = ""
        for address in (await self._addresses(target.host, port))[:_MOST_ADDRESSES]:
            try:
                return await client.send(self._request(client, target, address), stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                why = str(error) or type(error).__name__
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise FetchProblem(f"{target.host} did not answer: {error or type(error).__name__}.") from error
        raise FetchProblem(f"{target.host} cannot be reached: {why}.")

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return self.addresses.check(host, await self.resolve(host, port))
        except ForbiddenAddress as problem:
            raise FetchProblem(str(problem)) from problem
        except (OSError, UnicodeError) as error:
            raise FetchProblem(f"{host} cannot be found: {error}.") from error

    def _request(self, client: httpx.AsyncClient, target: httpx.URL, address: str) -> httpx.Request:
        """A request to the address that still names the host: in its Host header, and to check its certificate."""
        headers = {**_HEADERS, "Host": target.netloc.decode("ascii")}
        extensions = {"sni_hostname": target.raw_host.decode("ascii")}
        return client.build_request("GET", target.copy_with(host=address), headers=headers, extensions=extensions)

    async def _read(self, target: httpx.URL, response: httpx.Response) -> Page:
        if response.is_error:
            raise FetchProblem(f"{target} answered {response.status_code} {response.reason_phrase}.")
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = bytearray()
        try:
            async for piece in _unpacked(response, self.most_bytes + 1):
                body += piece
                if len(body) > self.most_bytes:
                    break
        except (httpx.HTTPError, zlib.error) as error:
            raise FetchProblem(f"{target} broke off: {error or type(error).__name__}.") from error
        is_cut = len(body) > self.most_bytes
        return Page(str(target), content_type, response.charset_encoding or "", bytes(body[: self.most_bytes]), is_cut)


def read_url(text: str) -> httpx.URL:
    """The URL of a page. Raises FetchProblem."""
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, TypeError) as error:
        raise FetchProblem(f"{text!r} is no URL: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise FetchProblem(f"{text!r} is no web address: it has to begin with https:// or http:// and name a host.")
    if url.userinfo:
        raise FetchProblem("Addresses with a user name or password in them are not fetched.")
    return url.copy_with(fragment=None)


def _redirected(target: httpx.URL, location: str) -> httpx.URL:
    try:
        return read_url(str(target.join(location)))
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchProblem(f"{target} redirects to {location!r}, which is no URL.") from error


async def _unpacked(response: httpx.Response, most: int) -> AsyncIterator[bytes]:
    """The body in pieces, none longer than `most`: some servers pack it although nobody asked."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing in ("", "identity"):
        async for piece in response.aiter_raw():
            yield piece
        return
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise FetchProblem(f"The page is packed in a way that is not read here: {packing}.")
    unpacker = zlib.decompressobj(wbits=47)  # a gzip or a zlib head, whichever comes
    async for piece in response.aiter_raw():
        yield unpacker.decompress(piece, most)
