"""Content security policy of the pages: no external resource, and only the page's own script."""

from __future__ import annotations

import base64
import hashlib

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
    "base-uri 'none'; form-action 'none'"
)


def script_policy(script: str) -> str:
    """Return the policy of a page with one script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return POLICY.format(digest=digest)
