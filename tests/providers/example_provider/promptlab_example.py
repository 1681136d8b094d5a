"""A provider for your own image API: POST {"text", "size"} to /paint, answers {"images": [{"url"}], "cost"}.

Declare what the API can do, turn a Request into a call, turn an answer into a Result. Pacing, retries, downloads,
resume and the log are promptlab's.
"""

from promptlab.http import Answer, Call
from promptlab.model import Parameter, Request
from promptlab.providers import (
    Capabilities,
    Cost,
    Output,
    Provider,
    Result,
    Setup,
    Wire,
    no_image,
    read_body,
    read_images,
    read_own_cost,
    without_pixels,
)  # fmt: skip


class Example(Provider):
    """The API at EXAMPLE_BASE_URL; its key is in EXAMPLE_API_KEY."""

    name = "example"
    base_url_variable = "EXAMPLE_BASE_URL"
    local_without_key = True
    capabilities = Capabilities(
        parameters=(
            Parameter("model", "string", "the model's name", default="brush-1"),
            Parameter("canvas", "string", "size of the image", default="small", choices=("small", "large")),
        ),
        cost_source="response",
        key_variable="EXAMPLE_API_KEY",
    )

    def __init__(self, setup: Setup) -> None:
        self.base_url = setup.base_url

    def encode(self, request: Request, *, image=None, asynchronous=False, webhook_url=None) -> Wire:
        body = {"model": request.model, "text": request.prompt}
        if "canvas" in request.params:
            body["size"] = request.params["canvas"]
        dropped = [name for name in ("seed", "negative_prompt") if getattr(request, name) is not None]
        return Wire(Call("POST", "/paint", json=body), dropped=tuple(dropped))

    def decode(self, answer: Answer, request: Request) -> Result:
        body = read_body(answer)
        images: tuple[Output, ...] = read_images(body, self.base_url)
        if not images:
            raise no_image(answer)
        return Result(
            body.get("id"), None, None, images, cost_usd=read_own_cost(body)[1], response=without_pixels(body)
        )

    def cost(self, request: Request, result: Result, images: int) -> Cost:
        return Cost(usd=result.cost_usd, source="response")
