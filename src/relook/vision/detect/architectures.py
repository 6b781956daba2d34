"""The two networks: YOLOX-nano (Ge et al., 2021, arXiv 2107.08430) and our own on the shipped backbone."""

from __future__ import annotations

from relook.vision.detect.layers import IMAGE, Act, Architecture, Conv, Enlarge, Join, Layer, Level, Pool, Sum
from relook.vision.graph import DEVIATION, MEAN

STRIDES = (8, 16, 32)
YOLOX_NANO = "yolox-nano"
PYRAMID = "relook-pyramid"
BACKBONE_WIDTH = 48
"""Of the shipped backbone's stem, taken where it is missing."""
_PYRAMID_WIDTH = 96
_HEAD_WIDTH = 64


class _List:
    """Collects layers; each method appends some and gives the name of the last."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []

    def conv(
        self,
        name: str,
        source: str,
        inside: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: Act = Act.SILU,
        normed: bool = True,
    ) -> str:
        self.layers.append(Conv(name, source, inside, out, kernel, stride, groups, act, normed))
        return name

    def separable(self, name: str, source: str, inside: int, out: int, stride: int = 1) -> str:
        """3 x 3 within each channel, then 1 x 1 between them."""
        deep = self.conv(f"{name}.depth", source, inside, inside, 3, stride, inside)
        return self.conv(f"{name}.point", deep, inside, out)

    def join(self, name: str, *sources: str) -> str:
        self.layers.append(Join(name, sources))
        return name

    def add(self, name: str, one: str, other: str, act: Act = Act.NONE) -> str:
        self.layers.append(Sum(name, (one, other), act))
        return name

    def pool(self, name: str, source: str, kernel: int, stride: int = 1) -> str:
        self.layers.append(Pool(name, source, kernel, stride))
        return name

    def enlarge(self, name: str, source: str) -> str:
        self.layers.append(Enlarge(name, source))
        return name

    def partial(self, name: str, source: str, inside: int, out: int, count: int, shortcut: bool) -> str:
        """A stage of which one half of the channels goes past the blocks."""
        half = out // 2
        main = self.conv(f"{name}.main", source, inside, half)
        past = self.conv(f"{name}.past", source, inside, half)
        for at in range(count):
            narrow = self.conv(f"{name}.{at}.in", main, half, half)
            wide = self.separable(f"{name}.{at}", narrow, half, half)
            main = self.add(f"{name}.{at}.sum", wide, main) if shortcut else wide
        joined = self.join(f"{name}.joined", main, past)
        return self.conv(f"{name}.out", joined, out, out)

    def pyramid_pooling(self, name: str, source: str, inside: int, out: int) -> str:
        """Maxima over 5, 9 and 13 cells beside the cells themselves."""
        half = inside // 2
        narrow = self.conv(f"{name}.in", source, inside, half)
        pools = [self.pool(f"{name}.pool{kernel}", narrow, kernel) for kernel in (5, 9, 13)]
        return self.conv(f"{name}.out", self.join(f"{name}.joined", narrow, *pools), 4 * half, out)


def yolox_nano(labels: int) -> Architecture:
    """In the order in which the published export has its convolutions. The image is RGB 0..255."""
    net = _List()
    stem = net.conv("stem", IMAGE, 3, 16, 6, 2)  # the published 3 x 3 on 2 x 2 pixels moved to channels, as one
    second = net.partial("dark2", net.separable("dark2.down", stem, 16, 32, 2), 32, 32, 1, True)
    third = net.partial("dark3", net.separable("dark3.down", second, 32, 64, 2), 64, 64, 3, True)
    fourth = net.partial("dark4", net.separable("dark4.down", third, 64, 128, 2), 128, 128, 3, True)
    pooled = net.pyramid_pooling("dark5.pooled", net.separable("dark5.down", fourth, 128, 256, 2), 256, 256)
    fifth = net.partial("dark5", pooled, 256, 256, 1, False)

    lateral = net.conv("lateral", fifth, 256, 128)
    joined = net.join("top16.both", net.enlarge("lateral.up", lateral), fourth)
    top = net.partial("top16", joined, 256, 128, 1, False)
    reduced = net.conv("reduced", top, 128, 64)
    joined = net.join("top8.both", net.enlarge("reduced.up", reduced), third)
    fine = net.partial("top8", joined, 128, 64, 1, False)
    joined = net.join("low16.both", net.separable("low16.down", fine, 64, 64, 2), reduced)
    middle = net.partial("low16", joined, 128, 128, 1, False)
    joined = net.join("low32.both", net.separable("low32.down", middle, 128, 128, 2), lateral)
    coarse = net.partial("low32", joined, 256, 256, 1, False)

    levels = []
    for stride, source, inside in zip(STRIDES, (fine, middle, coarse), (64, 128, 256), strict=True):
        head = f"head{stride}"
        stem = net.conv(f"{head}.stem", source, inside, 64)
        seen = net.separable(f"{head}.class1", net.separable(f"{head}.class0", stem, 64, 64), 64, 64)
        classes = net.conv(f"{head}.classes", seen, 64, labels, act=Act.NONE, normed=False)
        seen = net.separable(f"{head}.box1", net.separable(f"{head}.box0", stem, 64, 64), 64, 64)
        box = net.conv(f"{head}.box", seen, 64, 4, act=Act.NONE, normed=False)
        objectness = net.conv(f"{head}.object", seen, 64, 1, act=Act.NONE, normed=False)
        levels.append(Level(stride, classes, objectness, box))
    return Architecture(YOLOX_NANO, tuple(net.layers), tuple(levels), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def pyramid(labels: int, width: int) -> Architecture:
    """The backbone whose stem has `width` channels, a feature pyramid both ways, and a head per stride."""
    net = _List()
    second, third, kept = _backbone(net, width)
    wide = _PYRAMID_WIDTH
    down = net.conv("neck.down", third, 4 * width, 2 * wide, 3, 2)
    top = net.pyramid_pooling("neck.pooled", down, 2 * wide, wide)
    lateral = net.conv("neck.lateral16", third, 4 * width, wide)
    lateral = net.add("neck.sum16", lateral, net.enlarge("neck.up32", top))
    middle = net.conv("neck.top16", lateral, wide, wide, 3)
    lateral = net.conv("neck.lateral8", second, 2 * width, wide)
    lateral = net.add("neck.sum8", lateral, net.enlarge("neck.up16", middle))
    fine = net.conv("neck.top8", lateral, wide, wide, 3)
    middle = net.add("neck.low16.sum", net.conv("neck.low16.down", fine, wide, wide, 3, 2), middle)
    middle = net.conv("neck.low16", middle, wide, wide, 3)
    coarse = net.add("neck.low32.sum", net.conv("neck.low32.down", middle, wide, wide, 3, 2), top)
    coarse = net.conv("neck.low32", coarse, wide, wide, 3)

    levels = []
    for stride, source in zip(STRIDES, (fine, middle, coarse), strict=True):
        head = f"head{stride}"
        stem = net.conv(f"{head}.stem", source, wide, _HEAD_WIDTH)
        seen = net.conv(f"{head}.class0", stem, _HEAD_WIDTH, _HEAD_WIDTH, 3)
        seen = net.conv(f"{head}.class1", seen, _HEAD_WIDTH, _HEAD_WIDTH, 3)
        classes = net.conv(f"{head}.classes", seen, _HEAD_WIDTH, labels, act=Act.NONE, normed=False)
        seen = net.conv(f"{head}.box0", stem, _HEAD_WIDTH, _HEAD_WIDTH, 3)
        seen = net.conv(f"{head}.box1", seen, _HEAD_WIDTH, _HEAD_WIDTH, 3)
        box = net.conv(f"{head}.box", seen, _HEAD_WIDTH, 4, act=Act.NONE, normed=False)
        objectness = net.conv(f"{head}.object", seen, _HEAD_WIDTH, 1, act=Act.NONE, normed=False)
        levels.append(Level(stride, classes, objectness, box))
    mean, deviation = _scaled(MEAN), _scaled(DEVIATION)
    return Architecture(PYRAMID, tuple(net.layers), tuple(levels), mean, deviation, kept)


def _backbone(net: _List, width: int) -> tuple[str, str, frozenset[str]]:
    """ResNet-18 up to layer3 under the names of `resnet18`: layer2, layer3 and the convolutions up to layer1."""
    source = net.conv("conv1", IMAGE, 3, width, 7, 2, act=Act.RELU)
    source = net.pool("layer0", source, 3, 2)
    ends = {}
    kept: frozenset[str] = frozenset()
    for stage, inside, out in ((1, width, width), (2, width, 2 * width), (3, 2 * width, 4 * width)):
        for block in (0, 1):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            shortcut = source
            if stride == 2:
                shortcut = net.conv(f"{name}.downsample.0", source, inside, out, 1, 2, act=Act.NONE)
            first = net.conv(f"{name}.conv1", source, out if block else inside, out, 3, stride, act=Act.RELU)
            last = net.conv(f"{name}.conv2", first, out, out, 3, act=Act.NONE)
            source = net.add(name, last, shortcut, Act.RELU)
        ends[stage] = source
        if stage == 1:
            kept = frozenset(layer.name for layer in net.layers if isinstance(layer, Conv))
    return ends[2], ends[3], kept


def _scaled(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (255 * value for value in values)
    return red, green, blue
