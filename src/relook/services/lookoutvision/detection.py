"""DetectAnomalies."""

from __future__ import annotations

import asyncio
from typing import Any

from relook.aws.body import IncomingBody
from relook.aws.errors import ServiceError
from relook.aws.operation import Answer, Members, RequestContext, arn_of, operation
from relook.core.names import SERVICE, ModelName
from relook.core.states import MODEL_DETECTING
from relook.fleet.api import BadInput, FleetError, NotDeployed, Overloaded
from relook.services.lookoutvision.errors import ResourceType, conflict, internal, throttled, validation
from relook.services.lookoutvision.hosting_control import Hosting
from relook.services.lookoutvision.limits import Limits
from relook.services.lookoutvision.lookups import model_id, require_model, require_status, scope_of
from relook.store.engine import Store
from relook.vision.samples import Prediction

_CONTENT_TYPES = ("image/jpeg", "image/png")
SCORE_HEADER, THRESHOLD_HEADER = "x-relook-score", "x-relook-threshold"
"""Calibrated, as decimals that read back as the same doubles: the answer itself tells neither."""


class Detection:
    """DetectAnomalies: the model must exist, then be hosted, then the image is looked at."""

    def __init__(self, store: Store, hosting: Hosting, limits: Limits) -> None:
        self._store = store
        self._hosting = hosting
        self._limits = limits

    @operation("DetectAnomalies", resource=arn_of(SERVICE, "model/{ProjectName}/{ModelVersion}"))
    async def detect(self, context: RequestContext, members: Members) -> Answer:
        project, version = members["ProjectName"], members["ModelVersion"]
        arn = self._hosting.serving(context.account, context.region, project, version)
        if arn is None:
            arn = str(await asyncio.to_thread(self._hosted, context, project, version))
        if members["ContentType"] not in _CONTENT_TYPES:
            # The original's own words; clients match on them.
            raise validation(f"content-type must be one of the following. {', '.join(_CONTENT_TYPES)}")
        image = await _read(members["Body"], self._limits.image_bytes)
        try:
            prediction = await self._hosting.detect(arn, image)
        except FleetError as error:
            raise _as_service_error(error, project, version) from error
        headers = {SCORE_HEADER: repr(prediction.score), THRESHOLD_HEADER: repr(prediction.threshold)}
        return Answer({"DetectAnomalyResult": _result(prediction)}, headers)

    def _hosted(self, context: RequestContext, project: str, version: str) -> ModelName:
        with self._store.read() as connection:
            model = require_model(connection, scope_of(context), project, version)
        require_status(model, MODEL_DETECTING, "DetectAnomalies")
        return model.name


async def _read(body: IncomingBody, limit: int) -> bytes:
    """The whole image; ValidationException if it is empty or larger than `limit` bytes."""
    if (body.content_length or 0) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    if not size:
        raise validation("The request body is empty; it must be the bytes of a JPEG or PNG image")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> ServiceError:
    return validation(f"The image is larger than {limit} bytes ({limit // 1024**2} MB); send a smaller one")


def _as_service_error(error: FleetError, project: str, version: str) -> ServiceError:
    name = model_id(project, version)
    if isinstance(error, BadInput):
        return validation(str(error))
    if isinstance(error, Overloaded):
        return throttled(f"Model {name}: every inference unit is busy; try again, or raise MaxInferenceUnits")
    if isinstance(error, NotDeployed):
        return conflict(ResourceType.MODEL, name, f"Model {name} is not running; start it with StartModel")
    return internal(f"Model {name}: {error or 'the inference unit was lost'}; try again")


def _result(prediction: Prediction) -> dict[str, Any]:
    """DetectAnomalyResult: Anomalies and AnomalyMask are there for a segmentation model alone."""
    result: dict[str, Any] = {
        "Source": {"Type": "direct"},
        "IsAnomalous": prediction.anomalous,
        "Confidence": prediction.confidence,
    }
    if prediction.mask_png is not None:
        result["Anomalies"] = [
            {"Name": one.name, "PixelAnomaly": {"TotalPercentageArea": one.area, "Color": one.colour}}
            for one in prediction.regions
        ]
        result["AnomalyMask"] = prediction.mask_png
    return result
