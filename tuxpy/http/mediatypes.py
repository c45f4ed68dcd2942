"""Extension to media type: our own table, never the operating system's, never the content.

Two machines with the same files answer alike (a slim container has no /etc/mime.types), and no
upload can pass for a page by its bytes. Extensions are compared without regard to case; the last
one counts; a name without one is application/octet-stream. Text types say charset=utf-8; XML and
JSON say their encoding themselves (RFC 7303 3, RFC 8259 8.1).
The table is generated: conf/mime.types is its source, conf/mediatypes_gen.py its writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..values import value_class

# begin table (conf/mime.types)
_TYPES = {
    "text/html": "html htm",
    "text/css": "css",
    "text/javascript": "js mjs cjs",
    "text/plain": (
        "txt text log conf cfg ini diff patch asc sha256 sha512 md5 py c h sh rs go java kt swift rb lua cpp hpp tex"
    ),
    "text/markdown": "md markdown",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "text/calendar": "ics",
    "text/vcard": "vcf",
    "text/vtt": "vtt",
    "text/x-component": "htc",
    "text/x-rst": "rst",
    "application/json": "json map",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "ndjson",
    "application/ld+json": "jsonld",
    "application/manifest+json": "webmanifest",
    "application/geo+json": "geojson",
    "application/feed+json": "jsonfeed",
    "application/toml": "toml",
    "application/yaml": "yaml yml",
    "application/xml": "xml xsd xsl",
    "application/xhtml+xml": "xhtml xht",
    "application/xslt+xml": "xslt",
    "application/mathml+xml": "mathml",
    "application/atom+xml": "atom",
    "application/rss+xml": "rss",
    "application/rdf+xml": "rdf",
    "application/opensearchdescription+xml": "osdx",
    "application/gpx+xml": "gpx",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/vnd.google-earth.kmz": "kmz",
    "application/wasm": "wasm",
    "application/sql": "sql",
    "application/graphql": "graphql gql",
    "application/pgp-signature": "sig",
    "application/pgp-keys": "pgp",
    "application/pkix-cert": "cer",
    "application/pkix-crl": "crl",
    "application/vnd.apple.pkpass": "pkpass",
    "application/vnd.apple.pkpasses": "pkpasses",
    "application/x-apple-aspen-config": "mobileconfig",
    "application/appinstaller": "appinstaller",
    "application/msix": "msix appx",
    "application/msixbundle": "msixbundle appxbundle",
    "application/x-pem-file": "pem",
    "image/png": "png",
    "image/apng": "apng",
    "image/jpeg": "jpg jpeg jpe jfif",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/jxl": "jxl",
    "image/svg+xml": "svg svgz",
    "image/bmp": "bmp",
    "image/tiff": "tif tiff",
    "image/vnd.microsoft.icon": "ico cur",
    "image/ktx2": "ktx2",
    "font/woff2": "woff2",
    "font/woff": "woff",
    "font/ttf": "ttf",
    "font/otf": "otf",
    "font/collection": "ttc",
    "application/vnd.ms-fontobject": "eot",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a m4b",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/ogg": "ogg oga opus",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "audio/midi": "mid midi",
    "audio/aiff": "aif aiff",
    "video/mp4": "mp4 m4v",
    "video/webm": "webm",
    "video/ogg": "ogv",
    "video/quicktime": "mov qt",
    "video/matroska": "mkv",
    "audio/matroska": "mka",
    "video/mpeg": "mpeg mpg",
    "video/mp2t": "ts m2ts mts",
    "video/iso.segment": "m4s",
    "video/3gpp": "3gp",
    "video/x-msvideo": "avi",
    "application/vnd.apple.mpegurl": "m3u8",
    "audio/mpegurl": "m3u",
    "application/dash+xml": "mpd",
    "application/ttml+xml": "ttml",
    "application/x-subrip": "srt",
    "model/gltf-binary": "glb",
    "model/gltf+json": "gltf",
    "model/obj": "obj",
    "model/stl": "stl",
    "model/vnd.usdz+zip": "usdz",
    "application/pdf": "pdf",
    "application/postscript": "ps eps ai",
    "application/rtf": "rtf",
    "application/epub+zip": "epub",
    "application/vnd.amazon.mobi8-ebook": "azw3",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.graphics": "odg",
    "application/gzip": "gz tgz",
    "application/zstd": "zst tzst",
    "application/x-bzip2": "bz2 tbz2",
    "application/x-xz": "xz txz",
    "application/x-brotli": "br",
    "application/zip": "zip whl",
    "application/x-tar": "tar",
    "application/x-7z-compressed": "7z",
    "application/vnd.rar": "rar",
    "application/java-archive": "jar war",
    "application/vnd.debian.binary-package": "deb udeb",
    "application/x-rpm": "rpm",
    "application/vnd.android.package-archive": "apk",
    "application/x-xpinstall": "xpi",
    "application/x-apple-diskimage": "dmg",
    "application/x-iso9660-image": "iso",
    "application/x-bittorrent": "torrent",
    "application/x-zsync": "zsync",
    "application/vnd.sqlite3": "sqlite sqlite3",
    "application/vnd.apache.parquet": "parquet",
    "application/x-shockwave-flash": "swf",
    "application/vnd.microsoft.portable-executable": "exe dll msi",
    "application/octet-stream": "bin img dat deploy",
}
# end table


@value_class(frozen=True, slots=True)
class MediaType:
    """The value of Content-Type, and the end of a sentence that begins "because"."""

    value: bytes
    because: str


_UNKNOWN = "application/octet-stream"


def value_of(name: str) -> bytes:
    """Content-Type for a type: text says its charset."""
    return f"{name}; charset=utf-8".encode() if name.startswith("text/") else name.encode()


_BY_EXTENSION = {
    extension.encode(): MediaType(value_of(name), f"the name ends in .{extension}")
    for name, extensions in _TYPES.items()
    for extension in extensions.split()
}
_NO_EXTENSION = MediaType(_UNKNOWN.encode(), "the name has no extension")
_NOT_LISTED = MediaType(_UNKNOWN.encode(), "the extension of the name is not in the table")


# Apple's systems take it as this type alone, and only without an extension.
_BY_NAME: Final = {
    b"apple-app-site-association": MediaType(b"application/json", "the name is that of a file for Apple's systems")
}


def coding_by_name(path: bytes) -> bytes | None:
    """The content coding that files of this name are in by the definition of their type (SVG 1.1 1.2)."""
    return b"gzip" if path[-5:].lower() == b".svgz" else None


NONE: Final[Mapping[bytes, MediaType]] = MappingProxyType({})


def media_type(path: bytes, own: Mapping[bytes, MediaType] = NONE) -> MediaType:
    """The type of a file by the last extension of its name; a leading dot begins no extension.

    own: types of a site by extension, in lower case, looked at first; b"" is for names without an extension.
    """
    name = path.rpartition(b"/")[2]
    stem, _, extension = name.rpartition(b".")
    extension = extension.lower() if stem else b""
    if extension in own:
        return own[extension]
    return _BY_EXTENSION.get(extension, _NOT_LISTED) if stem else _BY_NAME.get(name, _NO_EXTENSION)
