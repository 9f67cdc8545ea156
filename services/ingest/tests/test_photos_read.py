"""Photos as phones make them: facts, pictures for the screen, and a stored file that does not tell where it was taken."""

import io
import struct
import zlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pillow_heif
import pytest
import pytest_asyncio
from ingest.photos import Photo, read_photo, save_photo
from ingest.sandbox import Sandbox
from PIL import Image, ImageCms, PngImagePlugin
from shared.errors import Problem
from shared.storage.folder import FolderStore

pytestmark = pytest.mark.asyncio(loop_scope="module")
pillow_heif.register_heif_opener()
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/heic": "HEIF", "image/avif": "AVIF"}
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description exif:GPSLatitude="37,30.5N" exif:GPSLongitude="127,2.1E" xmp:Rating="5">'
    b"<photoshop:City>Seoul</photoshop:City><dc:title>kept</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    await sandbox.close()


def exif(*, gps: bool = True, orientation: int = 1, taken: str | None = "2024:05:01 12:30:15") -> Image.Exif:
    data = Image.Exif()
    data[0x010F], data[0x0110], data[0x0112] = "Maru", "Maru Phone 3", orientation
    inner = data.get_ifd(0x8769)
    if taken:
        inner[0x9003], inner[0x9011] = taken, "+09:00"
    inner[0x927C] = b"MakerNote with 37.50 127.03 inside"
    if gps:
        place = data.get_ifd(0x8825)
        place[1], place[2], place[3], place[4] = "N", (37.0, 30.0, 36.0), "E", (127.0, 1.0, 48.0)
        place[29] = "2024:05:01"
    return data


def picture(size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Red above, blue below: a turned picture shows."""
    made = Image.new("RGB", size, "red")
    made.paste("blue", (0, size[1] // 2, *size))
    return made


def saved(image: Image.Image, content_type: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, FORMATS[content_type], **options)
    return out.getvalue()


async def look(sandbox: Sandbox, folder: Path, data: bytes, content_type: str, *, keep_location: bool = False) -> Photo:
    path = folder / "photo"
    path.write_bytes(data)
    return await read_photo(sandbox, path, content_type, keep_location=keep_location)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("content_type", FORMATS)
async def test_the_place_leaves_the_stored_file_and_the_picture_stays(
    sandbox: Sandbox, tmp_path: Path, content_type: str
) -> None:
    data = saved(picture(), content_type, exif=exif())
    assert opened(data).getexif().get_ifd(0x8825)
    photo = await look(sandbox, tmp_path, data, content_type)
    assert photo.location is None
    assert photo.original is not None
    kept = opened(photo.original)
    assert not kept.getexif().get_ifd(0x8825)
    assert b"37.50" not in photo.original
    assert kept.tobytes() == opened(data).tobytes()
    assert len(photo.original) == len(data)
    assert kept.getexif().get_ifd(0x8769)[0x9003] == "2024:05:01 12:30:15"
    assert kept.getexif()[0x0110] == "Maru Phone 3"
    assert photo.original_type == content_type


@pytest.mark.parametrize("content_type", FORMATS)
async def test_the_place_is_kept_on_purpose_only(sandbox: Sandbox, tmp_path: Path, content_type: str) -> None:
    data = saved(picture(), content_type, exif=exif())
    photo = await look(sandbox, tmp_path, data, content_type, keep_location=True)
    assert photo.original is None
    assert photo.location is not None
    assert (photo.location.latitude, photo.location.longitude) == (37.51, 127.03)
    assert photo.meta()["location"] == [37.51, 127.03]


async def test_a_photo_without_a_place_is_left_as_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    photo = await look(sandbox, tmp_path, saved(picture(), "image/jpeg"), "image/jpeg")
    assert photo.original is None
    assert photo.taken_at is None
    assert photo.meta() == {"width": 300, "height": 200}


@pytest.mark.parametrize("content_type", FORMATS)
async def test_the_pictures_for_the_screen_hold_nothing_but_pixels(
    sandbox: Sandbox, tmp_path: Path, content_type: str
) -> None:
    data = saved(picture((3000, 2000)), content_type, exif=exif())
    photo = await look(sandbox, tmp_path, data, content_type, keep_location=True)
    for rendition, side in ((photo.thumbnail, 512), (photo.display, 2048)):
        image = opened(rendition)
        assert (image.format, max(image.size)) == ("WEBP", side)
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile"} & image.info.keys()
        assert b"Maru" not in rendition


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_pictures_stand_upright(sandbox: Sandbox, tmp_path: Path, orientation: int) -> None:
    turns = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90"}
    turns |= {7: "TRANSVERSE", 8: "ROTATE_270"}
    lying = picture((320, 240))
    if orientation in turns:
        lying = lying.transpose(Image.Transpose[turns[orientation]])
    data = saved(lying, "image/jpeg", exif=exif(orientation=orientation))
    photo = await look(sandbox, tmp_path, data, "image/jpeg")
    assert (photo.width, photo.height) == (320, 240)
    for rendition in (photo.display, photo.thumbnail):
        image = opened(rendition).convert("RGB")
        assert image.size == (320, 240)
        above, below = image.getpixel((160, 20)), image.getpixel((160, 220))
        assert isinstance(above, tuple)
        assert isinstance(below, tuple)
        assert above[0] > 200 > 60 > above[2]
        assert below[2] > 200 > 60 > below[0]


@pytest.mark.parametrize(
    ("taken", "offset", "expected"),
    [
        ("2024:05:01 12:30:15", "+09:00", "2024-05-01T12:30:15+09:00"),
        ("2024:05:01 12:30:15", "-05:30", "2024-05-01T12:30:15-05:30"),
        ("2024:05:01 12:30:15", None, "2024-05-01T12:30:15"),
        ("2024:05:01 12:30:15", "nonsense", "2024-05-01T12:30:15"),
        ("2024-05-01 12:30:15", None, "2024-05-01T12:30:15"),
        ("0000:00:00 00:00:00", None, None),
        ("2024:13:45 99:99:99", None, None),
        ("    :  :     :  :  ", None, None),
        ("9999:01:01 00:00:00", None, None),
    ],
)
async def test_the_time_is_the_cameras(
    sandbox: Sandbox, tmp_path: Path, taken: str, offset: str | None, expected: str | None
) -> None:
    data = exif(gps=False, taken=taken)
    inner = data.get_ifd(0x8769)
    del inner[0x9011]
    if offset:
        inner[0x9011] = offset
    photo = await look(sandbox, tmp_path, saved(picture(), "image/jpeg", exif=data), "image/jpeg")
    assert photo.taken_at == (datetime.fromisoformat(expected) if expected else None)
    assert photo.camera == "Maru Phone 3"


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/webp", "image/png", "image/heic"])
async def test_places_in_xmp_are_blanked(sandbox: Sandbox, tmp_path: Path, content_type: str) -> None:
    options: dict[str, object] = {"xmp": XMP}
    if content_type == "image/png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": info}
    data = saved(picture(), content_type, **options)
    assert b"GPSLatitude" in data
    photo = await look(sandbox, tmp_path, data, content_type)
    assert photo.original is not None
    for gone in (b"GPSL", b"Seoul", b"37,30"):
        assert gone not in photo.original
    for stays in (b"kept", b'xmp:Rating="5"'):
        assert stays in photo.original
    assert opened(photo.original).tobytes() == opened(data).tobytes()


async def test_what_cannot_be_cleaned_in_place_is_made_anew(sandbox: Sandbox, tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    data = saved(picture(), "image/png", pnginfo=info)
    photo = await look(sandbox, tmp_path, data, "image/png")
    assert photo.original is not None
    again = opened(photo.original)
    assert "XML:com.adobe.xmp" not in again.info
    assert again.convert("RGB").tobytes() == picture().tobytes()


async def test_the_film_of_a_moving_photo_forgets_its_place(sandbox: Sandbox, tmp_path: Path) -> None:
    film = b"\x00\x00\x00\x18ftypmp42" + b"\xa9xyz\x00\x15+37.5665+126.9780+035.1/" + b"mdat"
    photo = await look(sandbox, tmp_path, saved(picture(), "image/jpeg") + film, "image/jpeg")
    assert photo.original is not None
    assert b"37.5665" not in photo.original
    assert b"+00.0000+000.0000+000.0/" in photo.original


async def test_cities_of_the_old_press_format_are_blanked(sandbox: Sandbox, tmp_path: Path) -> None:
    plain = saved(picture(), "image/jpeg")
    fields = b"\x1c\x02\x5a\x00\x05Seoul" + b"\x1c\x02\x05\x00\x05Title"
    block = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + struct.pack(">I", len(fields)) + fields
    data = plain[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + plain[2:]
    photo = await look(sandbox, tmp_path, data, "image/jpeg")
    assert photo.original is not None
    assert b"Seoul" not in photo.original
    assert b"Title" in photo.original


async def test_colours_come_out_in_srgb(sandbox: Sandbox, tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(picture(), "image/jpeg", icc_profile=lab, exif=exif(orientation=6))
    photo = await look(sandbox, tmp_path, data, "image/jpeg")
    assert opened(photo.display).size == (200, 300)
    broken = saved(picture(), "image/jpeg", icc_profile=b"no profile")
    assert (await look(sandbox, tmp_path, broken, "image/jpeg")).width == 300


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16", "CMYK"])
async def test_any_kind_of_pixels_is_shown(sandbox: Sandbox, tmp_path: Path, mode: str) -> None:
    content_type = "image/jpeg" if mode == "CMYK" else "image/png"
    image = Image.new("I;16", (300, 200), 40_000) if mode == "I;16" else picture().convert(mode)
    if mode in {"LA", "RGBA"}:
        image.putalpha(100)
    photo = await look(sandbox, tmp_path, saved(image, content_type), content_type)
    assert opened(photo.thumbnail).mode == ("RGBA" if mode in {"LA", "RGBA"} else "RGB")


async def test_an_animation_shows_its_first_picture(sandbox: Sandbox, tmp_path: Path) -> None:
    out = io.BytesIO()
    picture().save(out, "GIF", save_all=True, append_images=[Image.new("RGB", (300, 200), "green")] * 5)
    photo = await look(sandbox, tmp_path, out.getvalue(), "image/gif")
    assert not getattr(opened(photo.display), "is_animated", False)


def png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(50_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def png_text_bomb() -> bytes:
    plain = saved(picture(), "image/png")
    data = b"Comment\0\0" + zlib.compress(bytes(300_000_000), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return plain[:33] + chunk + plain[33:]


JPEG = saved(picture(), "image/jpeg", exif=exif())


@pytest.mark.parametrize(
    ("content_type", "data", "codes"),
    [
        ("image/jpeg", JPEG[: len(JPEG) // 2], {"file_broken"}),
        ("image/jpeg", JPEG[:100], {"file_broken"}),
        ("image/jpeg", saved(picture(), "image/png"), {"file_type_mismatch"}),
        ("image/png", JPEG, {"file_type_mismatch"}),
        ("image/heic", b"\0\0\0\x18ftypheic" + bytes(400), {"file_broken"}),
        ("image/heic", b"<svg/>", {"file_type_mismatch"}),
        ("image/png", png_bomb(60_000), {"file_too_large"}),
        ("image/png", png_bomb(9_000), {"file_too_large"}),
        ("image/png", png_bomb(7_000), {"file_broken"}),
        ("image/png", png_text_bomb(), {"file_broken", "file_too_large"}),
        ("image/gif", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2", {"file_too_large", "file_broken"}),
        ("image/webp", b"RIFF\xff\0\0\0WEBPVP8X" + bytes(99), {"file_broken"}),
        ("image/avif", b"\0\0\0\x18ftypavif" + bytes(400), {"file_broken"}),
        ("image/jpeg", b"", {"file_type_mismatch"}),
        ("image/svg+xml", b"<svg/>", {"file_type_unsupported"}),
        ("image/jpeg", JPEG + bytes(70 * 2**20), {"file_too_large"}),
    ],
)
async def test_a_hostile_photo_ends_in_a_code(
    sandbox: Sandbox, tmp_path: Path, content_type: str, data: bytes, codes: set[str]
) -> None:
    with pytest.raises(Problem) as refused:
        await look(sandbox, tmp_path, data, content_type)
    assert refused.value.code in codes
    assert (await look(sandbox, tmp_path, JPEG, "image/jpeg")).width == 300


async def test_damaged_metadata_does_not_cost_the_photo(sandbox: Sandbox, tmp_path: Path) -> None:
    place = JPEG.index(b"Exif\0\0") + 6
    for offset in range(4, 200, 7):
        damaged = bytearray(JPEG)
        damaged[place + offset : place + offset + 4] = b"\xff\xff\xff\xff"
        photo = await look(sandbox, tmp_path, bytes(damaged), "image/jpeg")
        kept = photo.original or bytes(damaged)
        assert not opened(kept).getexif().get_ifd(0x8825)


async def test_saving_puts_the_pictures_beside_the_original(sandbox: Sandbox, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "files", "http://files.test", [b"a secret for tests"])
    key = "spaces/a/b/original"
    await store.put(key, JPEG, "image/jpeg")
    photo = await look(sandbox, tmp_path, JPEG, "image/jpeg")
    for _ in range(2):
        place = await save_photo(store, key, photo)
    assert (place.thumbnail_key, place.display_key) == ("spaces/a/b/thumbnail", "spaces/a/b/display")
    original = b"".join([piece async for piece in store.read(key)])
    thumbnail = b"".join([piece async for piece in store.read(place.thumbnail_key)])
    assert (original, thumbnail) == (photo.original, photo.thumbnail)
    info = await store.head(key)
    assert info is not None
    assert (place.size, place.sha256, place.content_type) == (info.size, info.sha256, info.content_type)
