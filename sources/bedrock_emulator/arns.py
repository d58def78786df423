"""ARNs of a scope: of its invocations and of the models that it calls."""

from functools import cache

from botocore.exceptions import UnknownRegionError
from botocore.session import Session


def invocation_arn(account: str, region: str, invocation_id: str) -> str:
    """The ARN of an invocation."""
    return f"arn:{partition_of(region)}:bedrock:{region}:{account}:async-invoke/{invocation_id}"


def model_arn(model_id: str, account: str, region: str) -> str:
    """The ARN of a model as ListAsyncInvokes lists it; an ARN stays as it is."""
    if model_id.startswith("arn:"):
        return model_id
    head = f"arn:{partition_of(region)}:bedrock:{region}"
    if model_id.startswith("provisioned-model/"):
        return f"{head}:{account}:{model_id}"
    return f"{head}::foundation-model/{model_id}"


@cache
def partition_of(region: str) -> str:
    """The AWS partition that a region belongs to, as botocore knows it."""
    try:
        return str(_session().get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"


_session = cache(Session)
