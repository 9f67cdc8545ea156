"""The document around the app: its language, our stylesheet, icon and words instead of the framework's."""

import base64
import hashlib
import html
import re

from ui.core.i18n import words

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_NOSCRIPT = re.compile(rb"<noscript>.*?</noscript>", re.DOTALL)
_FONT_PRELOAD = re.compile(rb"<link\s+rel=\"preload\"[^>]*as=\"font\"[^>]*/?>", re.DOTALL)


def script_hashes(document: bytes) -> list[str]:
    """The CSP sources of the document's inline scripts, so that the policy follows the framework's version."""
    digests = (hashlib.sha256(found).digest() for found in _INLINE_SCRIPT.findall(document))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def rewrite(document: bytes, language: str, version: str) -> bytes:
    """Put our head into the framework's page; what is not found stays as it is."""
    catalogue = words(language)
    noscript = html.escape(catalogue["shell.noscript"]).encode()
    document = re.sub(rb'<html lang="[^"]*"', f'<html lang="{language}"'.encode(), document, count=1)
    document = re.sub(rb"<title>[^<]*</title>", b"<title>Maru</title>", document, count=1)
    document = _NOSCRIPT.sub(b"<noscript><p>" + noscript + b"</p></noscript>", document, count=1)
    document = re.sub(rb'<link rel="shortcut icon"[^>]*>', b"", document, count=1)
    document = re.sub(rb'<link rel="service-desc"[^>]*>', b"", document, count=1)
    document = _FONT_PRELOAD.sub(b"", document, count=1)
    head = (
        f'<link rel="icon" href="./assets/icon.svg?v={version}" type="image/svg+xml">'
        f'<link rel="stylesheet" href="./assets/maru.css?v={version}">'
        # By the name under which the components import it: a browser keeps a module once for each address.
        '<script type="module" src="./assets/js/press.js"></script>'
        '<meta name="color-scheme" content="light dark">'
    )
    return document.replace(b"</head>", head.encode() + b"</head>", 1)
