"""Photos for the demo, painted on the spot: the repository carries no pictures of anybody."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 1280, 960
_EXIF_TAKEN, _EXIF_OFFSET = 36867, 36881
_EXIF_DETAILS = 0x8769

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture with its caption, placed in the year like any entry."""

    name: str
    caption: str
    days_ago: int
    sky: tuple[Colour, Colour]
    paint: Callable[[ImageDraw], None]


def render(scene: Scene, taken: datetime) -> bytes:
    """A JPEG with the camera's date in its EXIF."""
    from PIL import Image, ImageDraw

    top, bottom = scene.sky
    column = Image.new("RGB", (1, HEIGHT))
    for y in range(HEIGHT):
        share = y / HEIGHT
        column.putpixel((0, y), tuple(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True)))
    image = column.resize((WIDTH, HEIGHT))
    scene.paint(ImageDraw.Draw(image))
    exif = Image.Exif()
    details = exif.get_ifd(_EXIF_DETAILS)
    details[_EXIF_TAKEN] = taken.strftime("%Y:%m:%d %H:%M:%S")
    details[_EXIF_OFFSET] = "+00:00"
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88, exif=exif)
    return buffer.getvalue()


def _sea(draw: ImageDraw) -> None:
    draw.ellipse((880, 180, 1060, 360), fill=(255, 244, 214))
    for row in range(12):
        y = 520 + row * 40
        wave = [(x, y + 12 * math.sin(x / 90 + row * 1.7)) for x in range(0, WIDTH + 20, 20)]
        shade = (32 + row * 6, 120 + row * 8, 150 + row * 7)
        draw.polygon([*wave, (WIDTH, HEIGHT), (0, HEIGHT)], fill=shade)
    draw.polygon([(0, HEIGHT), (0, 880), (460, 930), (900, HEIGHT)], fill=(240, 222, 180))


def _blossom(draw: ImageDraw) -> None:
    draw.polygon([(560, HEIGHT), (620, 420), (690, 420), (740, HEIGHT)], fill=(92, 64, 51))
    for turn in range(220):
        angle, reach = turn * 2.399963, 22 * math.sqrt(turn)
        x, y = 650 + reach * math.cos(angle) * 1.3, 330 + reach * math.sin(angle) * 0.8
        size = 26 + turn % 5 * 6
        draw.ellipse((x - size, y - size, x + size, y + size), fill=(250, 190 + turn % 40, 205 + turn % 30))


def _cake(draw: ImageDraw) -> None:
    draw.rectangle((0, 720, WIDTH, HEIGHT), fill=(190, 150, 120))
    draw.rounded_rectangle((380, 480, 900, 740), 40, fill=(120, 190, 140))
    draw.rounded_rectangle((380, 470, 900, 560), 40, fill=(250, 244, 232))
    for candle in range(5):
        x = 450 + candle * 95
        draw.rectangle((x, 350, x + 22, 480), fill=(90, 140, 200) if candle % 2 else (225, 110, 110))
        draw.ellipse((x - 4, 296, x + 26, 352), fill=(255, 205, 90))


def _garden(draw: ImageDraw) -> None:
    for row in range(5):
        y = 560 + row * 84
        draw.rectangle((0, y, WIDTH, y + 52), fill=(112 - row * 8, 78 - row * 5, 52))
        for plant in range(11):
            x = 60 + plant * 116 + row * 18
            draw.ellipse((x - 34, y - 46, x + 34, y + 18), fill=(52 + row * 10, 130 + plant * 3, 70))
            draw.ellipse((x - 10, y - 20, x + 12, y + 2), fill=(214, 64, 48))


def _city(draw: ImageDraw) -> None:
    draw.ellipse((200, 130, 330, 260), fill=(250, 246, 226))
    for tower in range(14):
        left, top = tower * 96 - 20, 380 + (tower * 137) % 260
        draw.rectangle((left, top, left + 88, HEIGHT), fill=(34 + tower * 2, 42 + tower, 66 + tower * 2))
        for window in range(18):
            x, y = left + 12 + window % 3 * 24, top + 24 + window // 3 * 60
            if (window * 7 + tower) % 3:
                draw.rectangle((x, y, x + 12, y + 26), fill=(255, 214, 130))


def _tree(draw: ImageDraw) -> None:
    draw.polygon([(0, HEIGHT), (0, 760), (WIDTH, 700), (WIDTH, HEIGHT)], fill=(150, 158, 110))
    draw.polygon([(590, 760), (620, 420), (690, 420), (716, 752)], fill=(84, 60, 46))
    for turn in range(160):
        angle, reach = turn * 2.399963, 26 * math.sqrt(turn)
        x, y = 655 + reach * math.cos(angle), 330 + reach * math.sin(angle) * 0.75
        draw.ellipse((x - 44, y - 40, x + 44, y + 40), fill=(178 + turn % 60, 112 + turn % 48, 44))


SCENES = (
    Scene("hyeopjae-beach.jpg", "협재 바다, 바람이 많이 불던 오후", 103, ((138, 196, 224), (236, 226, 204)), _sea),
    Scene("cherry-blossom.jpg", "퇴근길 벚꽃", 230, ((196, 222, 240), (246, 236, 236)), _blossom),
    Scene("dinosaur-cake.jpg", "지우 다섯 번째 생일 케이크", 202, ((250, 226, 190), (244, 200, 170)), _cake),
    Scene(
        "garden-plot.jpg", "Our plot, the week of the first tomatoes", 139, ((166, 208, 236), (226, 236, 214)), _garden
    ),
    Scene("night-from-balcony.jpg", "Four in the morning, from the balcony", 69, ((18, 24, 52), (60, 62, 96)), _city),
    Scene("zelkova.jpg", "느티나무 집 창밖", 13, ((206, 216, 226), (240, 226, 198)), _tree),
)
