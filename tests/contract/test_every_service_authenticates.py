"""Every operation of every service refuses who signs with another secret, too late, or not at all."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import Shape, StructureShape
from botocore.session import Session
from lookout_stage import REGION, Stage

SERVICES = {
    "application-auto-scaling": "application-autoscaling",
    "cloudwatch-logs": "logs",
    "iam": "iam",
    "lookoutvision": "lookoutvision",
    "rekognition": "rekognition",
    "s3": "s3",
    "sagemaker": "sagemaker",
    "sagemaker-runtime": "sagemaker-runtime",
    "sts": "sts",
}
"""What `relook api` calls them, and what boto3 does."""
HEADS = {"403"}
"""An answer to HEAD has no body that could name its error."""
REFUSALS = {
    "another secret": {"InvalidSignatureException", "SignatureDoesNotMatch", *HEADS},
    "unsigned": {"MissingAuthenticationTokenException", "MissingAuthenticationToken", "AccessDenied", *HEADS},
    "too late": {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed", *HEADS},
}


@pytest.fixture(scope="module")
def offered() -> dict[str, list[str]]:
    """Operations by service."""
    command = [sys.executable, "-m", "relook", "api", "--json"]
    found: dict[str, list[str]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


@pytest.fixture(scope="module")
def session(stage: Stage) -> Session:
    """One for all clients, since it reads the description of a service once."""
    made = Session()
    made.set_config_variable("data_path", stage.server.variables["AWS_DATA_PATH"])
    return made


def test_no_service_is_forgotten_here(offered: dict[str, list[str]]) -> None:
    assert set(offered) == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_refuses(stage: Stage, session: Session, offered: dict[str, list[str]], service: str) -> None:
    taken = {}
    for way, refusals in REFUSALS.items():
        client = client_of(stage, session, SERVICES[service], way)
        for operation in offered[service]:
            with clock(-20 if way == "too late" else 0):
                answer = asked(client, operation)
            if answer not in {(403, code) for code in refusals}:
                taken[way, operation] = answer
        client.close()
    assert taken == {}
    well = client_of(stage, session, SERVICES[service], "as it should be")
    assert asked(well, offered[service][-1])[0] != 403
    well.close()


def clock(minutes: int) -> AbstractContextManager[Any]:
    """So many minutes from now, for what signs."""
    then = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    return mock.patch.object(botocore.auth, "get_current_datetime", return_value=then)


def client_of(stage: Stage, session: Session, service: str, way: str) -> Any:
    given = stage.server.credentials
    secret = given["aws_secret_access_key"]
    config = Config(
        parameter_validation=False,
        retries={"total_max_attempts": 1},
        signature_version=UNSIGNED if way == "unsigned" else None,
    )
    return session.create_client(
        service,
        region_name=REGION,
        endpoint_url=stage.server.endpoint,
        aws_access_key_id=given["aws_access_key_id"],
        aws_secret_access_key=secret[::-1] if way == "another secret" else secret,
        config=config,
    )


def asked(client: Any, operation: str) -> tuple[int, str]:
    """The answer's status and error code, to the least that the operation takes."""
    shape = client.meta.service_model.operation_model(operation).input_shape
    method = next(name for name, api in client.meta.method_to_api_mapping.items() if api == operation)
    try:
        answer = getattr(client, method)(**(least(shape) if shape is not None else {}))
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], ""


def least(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return {name: least(shape.members[name]) for name in shape.required_members}
    values = {"list": [], "map": {}, "blob": b"x", "boolean": True, "timestamp": datetime.datetime.now(datetime.UTC)}
    numbers = dict.fromkeys(("integer", "long", "float", "double"), 1)
    return (values | numbers).get(shape.type_name, "xxx")
