"""Labelled pictures for the public algorithm: drawn ones, and AWS's own of its notebook."""

from __future__ import annotations

import json
from pathlib import Path

from lookout_pictures import Picture, pictures
from lookout_stage import BUCKET, Stage
from sagemaker_calls import arn

PUBLIC = arn("algorithm", "lfv-public-algorithm-2025-02-0a1b2c3d", "865070037744")
LABEL = ["source-ref", "anomaly-label-metadata", "anomaly-label"]
MASK = ["anomaly-mask-ref-metadata", "anomaly-mask-ref"]
COOKIE = Path(__file__).parents[2].parent / "shared" / "data" / "lookout_cookie"


def manifest(stage: Stage, name: str, *, masked: bool) -> str:
    """Every line has every attribute, as in the manifests that AWS ships with its notebook; its address."""
    template = json.loads(Picture(500, True).line(BUCKET, masked=True))
    lines = []
    for picture in pictures(20, 20 if masked else 10):
        line = json.loads(picture.line(BUCKET, masked=masked))
        if masked and not picture.anomalous:
            line |= {name: template[name] for name in MASK}
        lines.append(json.dumps(line))
    stage.manifest(f"manifests/{name}", lines)
    return f"s3://{BUCKET}/manifests/{name}"


def cookies(stage: Stage, bucket: str, *, masked: bool) -> str:
    """Upload AWS's own example with its manifest, completed for masks as the notebook says; its address."""
    for path in [*COOKIE.glob("*-images/*"), COOKIE / "dummy_anomaly_mask.png"]:
        stage.s3.put_object(Bucket=bucket, Key=path.relative_to(COOKIE).as_posix(), Body=path.read_bytes())
    lines = [json.loads(text) for text in (COOKIE / "template.manifest").read_text("utf-8").splitlines()]
    template = next(line for line in lines if MASK[1] in line)
    for line in lines:
        if masked:
            line.setdefault(MASK[1], "dummy_anomaly_mask.png")
            line.setdefault(MASK[0], template[MASK[0]])
        line |= {name: f"s3://{bucket}/{line[name]}" for name in ("source-ref", MASK[1]) if name in line}
    body = "\n".join(json.dumps(line) for line in lines)
    stage.s3.put_object(Bucket=bucket, Key="train.manifest", Body=body.encode())
    return f"s3://{bucket}/train.manifest"
