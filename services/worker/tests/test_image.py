"""The image runner: what comes out for what goes in, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import Starter, picture
from dispatcher_peer import DispatcherPeer
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from worker.runners.geometry import MAX_PIXELS, MAX_SIDE, Placement, SizeRefused, padded, resized, upscaled, within_area
from worker.runners.image import ImageRunner
from worker.runners.protocol import RunFailed, RunRequest

Make = Callable[..., Image.Image]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs one operation on a picture's bytes; the picture that came out."""

    def made(data: bytes, **params: object) -> Image.Image:
        (tmp_path / "input").write_bytes(data)
        request = RunRequest(dict(params), tmp_path / "input", "photo", tmp_path / "output", 10**9)
        told: list[float] = []
        runner = ImageRunner()
        runner.time_limit_s(request)
        result = runner.run(request, told.append)
        assert told == sorted(told)
        image = Image.open(result.path)
        image.load()
        assert Image.MIME[image.format or ""] == result.content_type
        return image

    return made


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"])
@pytest.mark.parametrize("operation", ["upscale", "restore", "grayscale", "pad"])
def test_every_kind_of_picture_goes_through_every_operation(make: Make, mode: str, operation: str) -> None:
    kind = "TIFF" if mode in {"CMYK", "F", "YCbCr", "I"} else "PNG"
    file = io.BytesIO()
    Image.new(mode, (9, 7)).save(file, kind)
    sizes = {"upscale": (18, 14), "pad": (9, 9)}
    assert make(file.getvalue(), operation=operation).size == sizes.get(operation, (9, 7))


@pytest.mark.parametrize(
    ("kind", "out"), [("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WEBP"), ("GIF", "PNG"), ("BMP", "PNG")]
)
def test_the_format_stays_unless_another_is_asked_for(make: Make, kind: str, out: str) -> None:
    assert make(picture(kind=kind), operation="grayscale").format == out
    assert make(picture(kind=kind), operation="grayscale", format="webp").format == "WEBP"


def test_a_turned_photo_comes_out_upright_and_tells_nothing(make: Make) -> None:
    image = Image.new("RGB", (40, 20), "white")
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8825)[1] = "N"
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, comment=b"secret comment")
    made = make(file.getvalue(), operation="restore")
    assert made.size == (20, 40)
    assert not made.getexif()
    assert {"exif", "comment", "icc_profile", "xmp"} & set(made.info) == set()


def test_text_in_a_png_does_not_travel_along(make: Make) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "where I live")
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG", pnginfo=info)
    made = make(file.getvalue(), operation="upscale")
    assert made.info.get("Comment") is None


def test_transparency_stays_where_the_format_has_it_and_gets_a_ground_where_not(make: Make) -> None:
    data = picture(8, 8, mode="RGBA", color=(255, 0, 0, 0))
    assert make(data, operation="upscale").getpixel((3, 3))[3] == 0  # type: ignore[index]
    assert make(data, operation="upscale", format="jpeg", color="#00ff00").getpixel((3, 3))[1] > 200  # type: ignore[index, operator]
    assert make(data, operation="pad", width=16, height=8, color="#0000ff").getpixel((0, 0)) == (0, 0, 255, 255)


def test_colours_of_another_profile_are_brought_to_srgb(make: Make) -> None:
    file = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.new("RGB", (4, 4), (90, 120, 60)).save(file, "PNG", icc_profile=profile)
    assert make(file.getvalue(), operation="grayscale").size == (4, 4)
    broken = io.BytesIO()
    Image.new("RGB", (4, 4)).save(broken, "PNG", icc_profile=b"no profile at all")
    assert make(broken.getvalue(), operation="upscale").size == (8, 8)


def test_of_an_animation_the_first_frame_is_taken(make: Make) -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    made = make(file.getvalue(), operation="resize", width=4).convert("RGB")
    red, _, blue = made.getpixel((1, 1))  # type: ignore[misc]
    assert red > 200 > 50 > blue  # type: ignore[operator]


def test_restoring_takes_noise_out_and_brings_contrast_back(make: Make) -> None:
    flat = Image.linear_gradient("L").point(lambda value: 90 + value // 8)
    flat.putpixel((100, 100), 255)
    file = io.BytesIO()
    flat.save(file, "PNG")
    low, high = make(file.getvalue(), operation="restore", strength=1).getextrema()
    assert high - low > 200  # type: ignore[operator]
    assert make(file.getvalue(), operation="restore", strength=0).tobytes() == flat.tobytes()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(2**20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bomb(60_000, 60_000), "input_too_large"),
        (bomb(MAX_PIXELS, 2), "input_too_large"),
        (b"", "input_unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "input_unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "input_unreadable"),
        (picture(64, 64, "JPEG")[:200], "input_unreadable"),
        (bomb(100, 100), None),
    ],
)
def test_what_is_no_picture_or_too_much_of_one_is_refused(make: Make, data: bytes, code: str | None) -> None:
    if code is None:
        assert make(data, operation="grayscale").size == (100, 100)
        return
    with pytest.raises(RunFailed) as failed:
        make(data, operation="grayscale")
    assert (failed.value.code, failed.value.retryable) == (code, False)


@pytest.mark.parametrize(
    "params",
    [
        {"operation": "resize"},
        {"scale": 9},
        {"scale": float("nan")},
        {"operation": "explode"},
        {"colour": "#fff"},
        {"width": 0},
    ],
)
def test_parameters_that_do_not_fit_are_named(make: Make, params: dict[str, object]) -> None:
    with pytest.raises(RunFailed) as failed:
        make(picture(), **params)
    assert failed.value.code == "invalid_params"


def test_a_poisoned_picture_fails_and_the_next_one_is_done(peer: DispatcherPeer, start: Starter) -> None:
    poison = peer.add({"operation": "upscale"}, data=bomb(60_000, 60_000))
    fine = peer.add({"operation": "upscale"}, data=picture())
    assert start("--max-tasks", "2").wait() == 0
    assert poison.error is not None
    assert (poison.error["code"], poison.retryable) == ("input_too_large", False)
    assert fine.status == "done"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/passwd", "passwd.png"),
        ("..\\..\\windows\\system.ini", "system.png"),
        ("a\u202egnp.exe", "agnp.png"),
        ("....", "result.png"),
        ("사진 1.png", "사진 1.png"),
        ("x" * 240, "x" * 200 + ".png"),
        ("photo.png; rm -rf $HOME", "photo.png"),
    ],
)
def test_a_name_is_a_label_and_never_a_path(peer: DispatcherPeer, start: Starter, name: str, shown: str) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture(), name=name)
    assert start("--once").wait() == 0
    assert (task.status, task.filename) == ("done", shown)
    outside = {path.name for path in start.work_dir.parent.iterdir()}
    assert outside == {"work", "programs"}


sides = st.integers(1, 20_000)
sizes = st.tuples(sides, sides)


def fits(placement: Placement) -> None:
    """Within the limits, and nothing of the canvas lies outside of what may be."""
    for size in (placement.scaled, placement.canvas):
        assert min(size) >= 1
        assert max(size) <= MAX_SIDE
        assert size[0] * size[1] <= MAX_PIXELS


@given(sizes, st.floats(0.001, 8))
def test_upscaling_keeps_proportions_within_a_pixel(size: tuple[int, int], scale: float) -> None:
    try:
        made = upscaled(size, scale)
    except SizeRefused:
        assert max(size) * scale > MAX_SIDE - 1 or size[0] * size[1] * scale**2 > MAX_PIXELS * 0.9
        return
    assert all(abs(after - before * scale) <= 1 for after, before in zip(made, size, strict=True))


@given(
    sizes,
    st.none() | st.integers(1, MAX_SIDE),
    st.none() | st.integers(1, MAX_SIDE),
    st.sampled_from(["contain", "cover", "stretch"]),
)
def test_resizing_fits_as_it_says(size: tuple[int, int], width: int | None, height: int | None, fit: str) -> None:
    if width is None and height is None:
        return
    try:
        placement = resized(size, width, height, fit)  # type: ignore[arg-type]
    except SizeRefused:
        return
    fits(placement)
    if width is not None and height is not None:
        inside = all(after <= asked for after, asked in zip(placement.canvas, (width, height), strict=True))
        assert inside if fit == "contain" else placement.canvas == (width, height)
    if fit == "contain" and width is not None and height is not None:
        assert placement.canvas[0] == width or placement.canvas[1] == height
    for offset, scaled, canvas in zip(placement.offset, placement.scaled, placement.canvas, strict=True):
        # The picture covers all of the canvas: no line stays empty.
        assert offset <= 0
        assert offset + scaled >= canvas


@given(sizes, st.none() | st.integers(1, MAX_SIDE), st.none() | st.integers(1, MAX_SIDE))
def test_padding_keeps_all_of_the_picture_and_never_enlarges_it(
    size: tuple[int, int], width: int | None, height: int | None
) -> None:
    try:
        placement = padded(size, width, height)
    except SizeRefused:
        return
    fits(placement)
    for offset, scaled, canvas, before in zip(placement.offset, placement.scaled, placement.canvas, size, strict=True):
        assert offset >= 0
        assert offset + scaled <= canvas
        assert scaled <= before


@given(sizes, st.sampled_from([8, 16, 32]))
def test_an_area_is_cut_into_whole_blocks(size: tuple[int, int], multiple: int) -> None:
    width, height = within_area(size, 832 * 480, multiple)
    assert width % multiple == height % multiple == 0
    assert min(width, height) >= multiple
