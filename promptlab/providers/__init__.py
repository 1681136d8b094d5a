"""Providers: a Request becomes a wire call, an answer becomes a Result; capabilities, plans and prices as data.

Built in are `kairval`, `openai` (any OpenAI-compatible Images API) and `simulator`; others come by entry point.
"""

from promptlab.providers.base import (
    ApiError,
    Capabilities,
    Cost,
    ImageBytes,
    ImageFormat,
    Job,
    JobStatus,
    Output,
    Price,
    Provider,
    RateLimits,
    Result,
    Setup,
    Wire,
)
from promptlab.providers.endpoint import Endpoint, SettingsLike, connect
from promptlab.providers.plans import Plan, find_plan, plans
from promptlab.providers.prices import CreditPrice, TokenPrice
from promptlab.providers.registry import get, names, parameters
from promptlab.providers.response import (
    no_image,
    read_body,
    read_error,
    read_images,
    read_own_cost,
    read_usage,
    unwrap,
    without_pixels,
)

__all__ = [
    "ApiError",
    "Capabilities",
    "Cost",
    "CreditPrice",
    "Endpoint",
    "ImageBytes",
    "ImageFormat",
    "Job",
    "JobStatus",
    "Output",
    "Plan",
    "Price",
    "Provider",
    "RateLimits",
    "Result",
    "SettingsLike",
    "Setup",
    "TokenPrice",
    "Wire",
    "connect",
    "find_plan",
    "get",
    "names",
    "no_image",
    "parameters",
    "plans",
    "read_body",
    "read_error",
    "read_images",
    "read_own_cost",
    "read_usage",
    "unwrap",
    "without_pixels",
]
