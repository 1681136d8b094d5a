"""A request as a shell command, for people who want to send it themselves. No key is in it."""

from __future__ import annotations

import json
import shlex

from promptlab.http.messages import IN_PROCESS
from promptlab.model import Generation
from promptlab.providers import ImageBytes
from promptlab.run.rows import request_of
from promptlab.studio.studio import Studio

__all__ = ["curl_of"]


def curl_of(studio: Studio, row: Generation) -> str:
    """The request as a shell command, with the key as a variable and an image's bytes as a file."""
    endpoint = studio.endpoint(row.provider, key_needed=False)
    image = None
    request = request_of(row)
    if request.image_sha256 is not None:
        image = ImageBytes(b"...", "png")
    call = endpoint.provider.encode(request, image=image).call
    base = "https://api.kairval.com" if endpoint.base_url in ("simulator:", IN_PROCESS) else endpoint.base_url
    variable = endpoint.provider.capabilities.key_variable or "KAIRVAL_API_KEY"
    lines = [f"curl -X {call.method} {shlex.quote(base + call.path)}", f'  -H "Authorization: Bearer ${variable}"']
    if call.json is not None:
        lines.append("  -H 'Content-Type: application/json'")
        lines.append(f"  -d {shlex.quote(json.dumps(call.json, ensure_ascii=False))}")
    for part in call.files or ():
        lines.append(f"  -F {shlex.quote(f'{part.name}=@{part.filename};type={part.content_type}')}")
    for name, value in (call.data or {}).items():
        lines.append(f"  --form-string {shlex.quote(f'{name}={value}')}")
    return " \\\n".join(lines)
