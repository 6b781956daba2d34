"""Pictures small enough to train on in seconds: grey noise, with a red square where they are defective."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 96, 64
SQUARE = 14
DEFECT, COLOUR = "scratch", "#23A436"
CREATED = "2020-11-10T03:37:09.600"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture; `number` fixes every pixel. Truth is known by construction."""

    number: int
    anomalous: bool

    @property
    def key(self) -> str:
        return f"{'anomaly' if self.anomalous else 'normal'}/{self.number:03d}.png"

    @property
    def mask_key(self) -> str:
        return f"masks/{self.number:03d}.png"

    def png(self) -> bytes:
        pixels = 120 + np.random.default_rng(self.number).normal(0, 4, (HEIGHT, WIDTH, 3))
        pixels[self._area()] = (230, 40, 40)
        return _encoded(pixels, "PNG")

    def jpeg(self, width: int = WIDTH, height: int = HEIGHT) -> bytes:
        return _encoded(np.asarray(Image.open(io.BytesIO(self.png())).resize((width, height))), "JPEG")

    def mask(self) -> bytes:
        pixels = np.full((HEIGHT, WIDTH, 3), 255)
        pixels[self._area()] = [int(COLOUR[start : start + 2], 16) for start in (1, 3, 5)]
        return _encoded(pixels, "PNG")

    def line(self, bucket: str, *, masked: bool = False, **metadata: Any) -> str:
        """Its manifest line as Ground Truth writes it; `metadata` adds to the label's or replaces some of it."""
        described = {
            "confidence": 1,
            "job-name": "labeling-job/auto-label",
            "class-name": "anomaly" if self.anomalous else "normal",
            "human-annotated": "yes",
            "creation-date": CREATED,
            "type": "groundtruth/image-classification",
        }
        line: dict[str, Any] = {
            "source-ref": f"s3://{bucket}/{self.key}",
            "anomaly-label": int(self.anomalous),
            "anomaly-label-metadata": described | metadata,
        }
        if masked and self.anomalous:
            line["anomaly-mask-ref"] = f"s3://{bucket}/{self.mask_key}"
            line["anomaly-mask-ref-metadata"] = {
                "internal-color-map": {
                    "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
                    "1": {"class-name": DEFECT, "hex-color": COLOUR, "confidence": 0.0},
                },
                "type": "groundtruth/semantic-segmentation",
                "human-annotated": "yes",
                "creation-date": CREATED,
                "job-name": "labeling-job/masks",
            }
        return json.dumps(line)

    def _area(self) -> tuple[slice, slice]:
        if not self.anomalous:
            return slice(0), slice(0)
        generator = np.random.default_rng(1000 + self.number)
        top, left = generator.integers(8, HEIGHT - SQUARE - 8), generator.integers(8, WIDTH - SQUARE - 8)
        return slice(top, top + SQUARE), slice(left, left + SQUARE)


def pictures(normal: int, anomalous: int) -> list[Picture]:
    """So many of each; the numbers of the anomalous ones begin at 500."""
    return [Picture(number, False) for number in range(normal)] + [
        Picture(500 + number, True) for number in range(anomalous)
    ]


UNSEEN_NORMAL, UNSEEN_ANOMALY = Picture(400, False), Picture(900, True)
"""Never trained on."""


def _encoded(pixels: Any, form: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, form, quality=95)
    return out.getvalue()
