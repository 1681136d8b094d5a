"""Providers: a Request becomes a wire call, an answer becomes a Result; capabilities, plans and prices as data.

Built in are `kairval`, `openai` (any OpenAI-compatible Images API) and `simulator`; others come by entry point.
"""

from promptlab.account_plans import AccountPlan, RateLimits
from promptlab.providers.base import (
    Capabilities,
    Cost,
    ImageBytes,
    ImageFormat,
    Provider,
    Setup,
    Wire,
    get,
    names,
    parameters,
)
from promptlab.providers.endpoint import Endpoint, SettingsLike, checked, connect, find_plan, plans, provider_code
from promptlab.providers.prices import CreditPrice, Price, TokenPrice
from promptlab.providers.response import (
    ApiError,
    Job,
    JobStatus,
    Output,
    Result,
    no_image,
    read_body,
    read_error,
    read_images,
    read_own_cost,
    read_usage,
    unwrap,
    without_pixels,
)

#: The name that 0.1 documents for a provider of one's own.
Plan = AccountPlan

__all__ = [
    "AccountPlan",
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
    "checked",
    "connect",
    "find_plan",
    "get",
    "names",
    "no_image",
    "parameters",
    "plans",
    "provider_code",
    "read_body",
    "read_error",
    "read_images",
    "read_own_cost",
    "read_usage",
    "unwrap",
    "without_pixels",
]
