"""How a page of a first party makes the browser ask a third party for something: one page each.

``@TO`` stands for the third party's URL, ``@GO302`` and ``@GO307`` for URLs of the first that redirect there, and
``@Q`` before one of them for the same within a query.
"""

from __future__ import annotations

FETCH = "<script>fetch('%s', {credentials: 'include', %s})</script>"
XHR = "<script>const sent = new XMLHttpRequest(); sent.open('%s', '%s'); %s; sent.send('own')</script>"
FORM = "<form action='%s' method=%s><input name=own></form><script>document.forms[0].submit()</script>"
SPECULATION = '{"prefetch": [{"urls": ["@TO"], "eagerness": "immediate"}]}'

VECTORS = {
    "script": "<script src='@TO'></script>",
    "script 302": "<script src='@GO302'></script>",
    "module": "<script type=module>import '@TO'</script>",
    "stylesheet": "<link rel=stylesheet href='@TO'>",
    "stylesheet 307": "<link rel=stylesheet href='@GO307'>",
    "css import": "<style>@import url('@TO');</style>",
    "img": "<img src='@TO'>",
    "object": "<object data='@TO'></object>",
    "video": "<video src='@TO' preload=auto></video>",
    "iframe": "<iframe src='@TO'></iframe>",
    "iframe 302": "<iframe src='@GO302'></iframe>",
    "iframe srcdoc": "<iframe srcdoc=\"<script src='@TO'></script>\"></iframe>",
    "fetch": "<script>fetch('@TO', {mode: 'no-cors'})</script>",
    "fetch with cookies": FETCH % ("@TO", ""),
    "fetch with a preflight": FETCH % ("@TO", "method: 'PUT', headers: {'X-Own': '1'}"),
    "fetch 302": FETCH % ("@GO302", ""),
    "fetch 307": FETCH % ("@GO307", "method: 'POST', body: 'own', mode: 'no-cors'"),
    "xhr": XHR % ("GET", "@TO", ""),
    "xhr with cookies": XHR % ("POST", "@TO", "sent.withCredentials = true"),
    "xhr 302": XHR % ("GET", "@GO302", "sent.withCredentials = true"),
    "event source": "<script>new EventSource('@TO', {withCredentials: true})</script>",
    "beacon": "<script>navigator.sendBeacon('@TO', 'own')</script>",
    "beacon 307": "<script>navigator.sendBeacon('@GO307', 'own')</script>",
    "keepalive": FETCH % ("@TO", "keepalive: true, method: 'POST', mode: 'no-cors'"),
    "websocket": "<script>new WebSocket('@TO'.replace('http', 'ws'))</script>",
    "worker": "<script>new Worker('/worker.js?to=@Q@TO')</script>",
    "worker 302": "<script>new Worker('/worker.js?to=@Q@GO302')</script>",
    "shared worker": "<script>new SharedWorker('/worker.js?to=@Q@TO')</script>",
    "shared worker 302": "<script>new SharedWorker('/worker.js?to=@Q@GO302')</script>",
    "service worker": "<script>navigator.serviceWorker.register('/worker.js?to=@Q@TO')</script>",
    "prefetch": "<link rel=prefetch href='@TO'>",
    "preload": "<link rel=preload as=script href='@TO'>",
    "module preload": "<link rel=modulepreload href='@TO'>",
    "speculation rules": f"<script type=speculationrules>{SPECULATION}</script>",
    "icon": "<link rel=icon href='@TO'>",
    "policy report": "<style>p { color: red }</style>",  # its page has a policy that reports there
    "link ping": "<a id=link href='#' ping='@TO'>x</a><script>link.click()</script>",
    "popup": "<script>window.open('@TO')</script>",
    "popup 302": "<script>window.open('@GO302')</script>",
    "popup without opener": "<script>window.open('@TO', '', 'noopener')</script>",
    "download in a frame": "<iframe src='@TO'></iframe>",
    "download 302 in a frame": "<iframe src='@GO302'></iframe>",
}

# These lead the tab itself on.
LEADING = {
    "meta refresh": "<meta http-equiv=refresh content='0;url=@TO'>",
    "refresh header": "<p>its answer has the header",
    "location": "<script>location.replace('@TO')</script>",
    "window name": "<script>window.name = 'own'; location.href = '@TO'</script>",
    "form get": FORM.replace("name=own", "name=vector value='form get'") % ("@TO", "get"),
    "form post": FORM % ("@TO", "post"),
    "form post 302": FORM % ("@GO302", "post"),
    "form post 307": FORM % ("@GO307", "post"),
    "redirect 302": "it is a redirect",
    "redirect 307": "it is a redirect",
    "redirect there and back": "it is a redirect",
    "download link": "<a id=link href='@TO' download>x</a><script>link.click()</script>",
}

# The browser is told not to load these, or loses them with the window that it closes.
MAY_NOT_ARRIVE = {
    *("img", "video", "icon", "service worker", "speculation rules"),
    *("popup", "popup 302", "popup without opener"),
}
