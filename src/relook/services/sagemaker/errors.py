"""The errors of SageMaker. Clients match on many of these texts, so each is written in one place."""

from __future__ import annotations

from relook.aws.errors import ServiceError

_NO_KEYS = "this server has no KMS keys; leave it out"


def validation(message: str) -> ServiceError:
    """No modelled error: clients see it by its code alone."""
    return ServiceError("ValidationException", message, 400)


def could_not_find(what: str, arn: str) -> ServiceError:
    """`what` is `model`, `endpoint configuration` or `endpoint`."""
    return validation(f'Could not find {what} "{arn}".')


def already_existing(what: str, arn: str) -> ServiceError:
    """`what` as in `could_not_find`."""
    return validation(f'Cannot create already existing {what} "{arn}".')


def no_such_job(name: str) -> ServiceError:
    """For transform jobs."""
    return validation(f"Could not find requested job with name: {name}")


def no_such_training() -> ServiceError:
    return validation("Requested resource not found.")


def does_not_exist(what: str, arn: str) -> ServiceError:
    """For what is registered: algorithms, model packages and their groups. `what` with a capital, as in `Algorithm`."""
    return validation(f"{what} {arn} does not exist.")


def exists_already(what: str, arn: str) -> ServiceError:
    """Counterpart of `does_not_exist`; `what` without spaces, as in `ModelPackage`."""
    return validation(f"{what} already exists: {arn}")


def job_name_in_use(arn: str) -> ServiceError:
    return in_use(
        f"Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"
    )


def endpoint_in_progress(arn: str) -> ServiceError:
    return validation(f'Cannot update in-progress endpoint "{arn}".')


def in_use(message: str) -> ServiceError:
    return ServiceError("ResourceInUse", message, 400)


def not_found(message: str) -> ServiceError:
    return ServiceError("ResourceNotFound", message, 400)


def conflict(message: str) -> ServiceError:
    return ServiceError("ConflictException", message, 400)


def limit_exceeded(name: str, limit: int, used: int, more: int, unit: str = "Instances") -> ServiceError:
    """`name` as in `ml.m5.large for endpoint usage`; `used` are taken and `more` were asked for."""
    message = (
        f"The account-level service limit '{name}' is {limit} {unit}, with current utilization of {used} {unit} and a "
        f"request delta of {more} {unit}."
    )
    return ServiceError("ResourceLimitExceeded", message, 400)


def no_keys(member: str) -> ServiceError:
    """A KMS key was named at `member`, such as `OutputDataConfig.KmsKeyId`."""
    return validation(f"{member} is set, but {_NO_KEYS}")


def not_offered(member: str, fix: str) -> ServiceError:
    """A member that asks for what this server does not do; `fix` says what to do instead."""
    return validation(f"{member} is not offered by this server: {fix}")


def invocation_refused(message: str, status: int = 400) -> ServiceError:
    """The runtime's name for a request that is wrong."""
    return ServiceError("ValidationError", message, status)


def no_such_endpoint(name: str, account: str) -> ServiceError:
    """The runtime's answer where the control plane says `could_not_find`."""
    return invocation_refused(f"Endpoint {name} of account {account} not found.")


def model_not_ready(message: str) -> ServiceError:
    return ServiceError("ModelNotReadyException", message, 429)


def unavailable(message: str) -> ServiceError:
    return ServiceError("ServiceUnavailable", message, 503)


def model_error(*, container: str, status: int, body: str, endpoint: str, region: str, account: str) -> ServiceError:
    """A container answered with `status`; `container` is `primary` or the name of a container of several.

    With the status 0 there was no answer, and `body` is the server's own text; else it is the model's, and not logged.
    """
    whose = "client" if 400 <= status < 500 else "server"
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    log = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    what = f"Received {whose} error ({status}) from {container}"
    message = f'{what} with message "{body}". See {log} in account {account} for more information.'
    members = {
        "OriginalStatusCode": status,
        "OriginalMessage": body,
        "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
    }
    return ServiceError("ModelError", message, 424, members=members, logged=what if status else None)
