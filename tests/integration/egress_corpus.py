"""URLs that lead to private addresses: the spellings of a host, and the ways in which a page leads there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

# One of each range that is not public, and those where clouds keep their secrets.
PRIVATE_V4 = (
    *(
        "127.0.0.1",
        "127.255.255.254",
        str(IPv4Address(0)),
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.254",
    ),
    *("192.168.0.1", "192.168.255.254", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200"),
    *("192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
)
PRIVATE_V6 = (
    *("::1", "0:0:0:0:0:0:0:1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:10.0.0.1"),
    *("::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:a00:1::1", "2001::7f00:1", "2001:20::1"),
    *("fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1"),
    *("5f00::1", "1::1", "4000::1"),
)
LOOPBACK_NAMES = ("localhost", "LOCALHOST", "localhost.", "deep.er.localhost", "loop.example", "LOOP.example.")
PRIVATE_NAMES = (*LOOPBACK_NAMES, "private.example", "mapped.example", "nat64.example", "metadata.example")

# From here the trap of a test can be reached, if anything leads out.
LOOPBACK = ("127.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "localhost", "loop.example", "rebind.example")


def spellings(address: str) -> Iterator[str]:
    """Yield ways to write an IPv4 address that browsers take for it (WHATWG URL, 3.5)."""
    number = int(IPv4Address(address))
    first, second, third, fourth = address.split(".")
    tail = (int(second) << 16) + (int(third) << 8) + int(fourth)
    yield address
    yield f"{address}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield f"{first}.{tail}"
    yield f"0x{int(first):X}.{second}.{(int(third) << 8) + int(fourth)}"
    yield ".".join(f"0{int(part):o}" for part in address.split("."))
    yield "".join(chr(ord(character) + 0xFEE0) if character.isdigit() else "\u3002" for character in address)
    yield "".join(f"%{ord(character):02x}" for character in address)


def direct_urls(port: int) -> list[str]:
    """Return URLs whose own host is private."""
    hosts = [spelled for address in PRIVATE_V4 for spelled in spellings(address)]
    hosts += [f"[{address}]" for address in PRIVATE_V6]
    hosts += PRIVATE_NAMES
    return [f"http://{host}:{port}/direct" for host in hosts]


# A page that leads to URL, where each name is one way to do so.
WAYS = {
    "refresh": "<meta http-equiv=refresh content='0;url=URL'>",
    "script": "<script>location.href = 'URL'</script>",
    "replace": "<script>location.replace('URL')</script>",
    "frame": "<iframe src='URL'></iframe>",
    "nested frame": "<iframe srcdoc=\"<iframe src='URL'></iframe>\"></iframe>",
    "image": "<img src='URL'><picture><source srcset='URL'><img></picture>",
    "made image": "<script>new Image().src = 'URL'</script>",
    "script element": "<script src='URL'></script>",
    "module": "<script type=module>import('URL').catch(() => {})</script>",
    "style": "<link rel=stylesheet href='URL'><style>@import 'URL'; body { background: url('URL') }</style>",
    "hints": "<link rel=preload as=fetch href='URL'><link rel=prefetch href='URL'><link rel=preconnect href='URL'>",
    "names": "<link rel=dns-prefetch href='URL'><link rel=icon href='URL'><link rel=manifest href='URL'>",
    "fetch": "<script>fetch('URL', {mode: 'no-cors', credentials: 'include'}).catch(() => {})</script>",
    "xhr": "<script>const x = new XMLHttpRequest(); x.open('POST', 'URL'); x.send('a')</script>",
    "websocket": "<script>new WebSocket('URL'.replace('http', 'ws'))</script>",
    "events": "<script>new EventSource('URL')</script>",
    "beacon": "<script>navigator.sendBeacon('URL', 'a')</script>",
    "keepalive": "<script>onpagehide = () => fetch('URL', {mode: 'no-cors', keepalive: true})</script>",
    "form": "<form method=post action='URL'><input name=a></form><script>document.forms[0].submit()</script>",
    "popup": "<script>open('URL')</script><a href='URL' target=_blank id=a></a><script>a.click()</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob([`fetch('URL', {mode: 'no-cors'})`])))</script>",
    "shared worker": "<script>new SharedWorker(`data:text/javascript,fetch('URL', {mode: 'no-cors'})`)</script>",
    "media": "<video src='URL' autoplay></video><audio src='URL' autoplay></audio><track src='URL'>",
    "object": "<object data='URL'></object><embed src='URL'>",
    "ping": "<a href='/fine' ping='URL' id=a>a</a><script>a.click()</script>",
    "svg": "<svg><image href='URL'/><use href='URL#a'/></svg>",
    "speculation": '<script type=speculationrules>{"prefetch": [{"urls": ["URL"]}], "prerender": [{"urls": ["URL"]}]}'
    "</script>",
}
REDIRECTS = (301, 302, 303, 307, 308)


# Gathers the addresses that WebRTC finds, with servers at PLACE, while a script of the page is held back.
AROUND = """<link rel=dns-prefetch href='//ahead.example'><link rel=preconnect href='http://ahead.example'>
<script>
const servers = [{urls: ["stun:PLACE", "stun:stun.example:3478"]},
  {urls: "turn:PLACE", username: "a", credential: "a"}];
const peer = new RTCPeerConnection({iceServers: servers, iceCandidatePoolSize: 2});
const found = [];
peer.onicecandidate = (event) => {
  if (event.candidate) found.push(event.candidate.candidate);
  else fetch("/release");
};
peer.createDataChannel("a");
peer.createOffer().then((offer) => peer.setLocalDescription(offer));
</script><script src="/hold"></script><p id=kept>gathered</p><script>kept.append(`: [${found.join()}]`)</script>"""


def leading_page(way: str, target: str) -> str:
    """Return a page that leads to *target* in that way."""
    return (
        f"<title>{way}</title><p>kept{WAYS[way]}".replace("URL.createObjectURL", "\0")
        .replace("URL", target)
        .replace("\0", "URL.createObjectURL")
    )
