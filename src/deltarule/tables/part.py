"""Part: a frozen piece of what a model file keeps; unknown fields are refused."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen piece of the contract; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
