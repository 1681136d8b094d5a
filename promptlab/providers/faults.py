"""Names that moved to endpoint.py."""

from promptlab.providers.endpoint import checked, provider_code

__all__ = ["checked", "provider_code"]
