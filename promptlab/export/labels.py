"""The label of an exported picture: XMP that says it came from a generative model, from which tool and which prompt.

Originals are never touched. A picture that carries signed content credentials (C2PA) is left exactly as it is, since
one changed byte would make it "tampered"; one that says its DigitalSourceType already needs nothing. The prompt itself
stays at home: only its sha256 is written, which proves later that a picture came from it.
"""

from __future__ import annotations

import re
from functools import partial
from xml.sax.saxutils import quoteattr

from promptlab._version import __version__
from promptlab.export import chunks
from promptlab.store.labels import APP1_XMP, PNG_XMP, label_of

__all__ = ["SOURCE_TYPE", "labelled", "packet"]

#: IPTC NewsCodes, Digital Source Type: "digital media created algorithmically using a model derived from sampled
#: content" (cv.iptc.org/newscodes/digitalsourcetype).
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_TOOL = f"promptlab {__version__}"

_DESCRIPTION = (
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:promptlab="urn:promptlab:xmp:1.0/"'
    " Iptc4xmpExt:DigitalSourceType={source} xmp:CreatorTool={tool} promptlab:PromptSHA256={sha256}/>"
)
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{0}</rdf:RDF></x:xmpmeta>\n'
    '<?xpacket end="w"?>'
)
_END = re.compile(rb"</rdf:RDF\s*>")
_TOOL_SAID = re.compile(r"(?:\w+:)CreatorTool\b")


def labelled(data: bytes, format: str, *, prompt_sha256: str, simulated: bool = False) -> bytes:
    """A copy of a picture with its label; the very same bytes where it is signed or labelled already.

    The pixels' bytes stay as they are. ValueError where the file's structure can't be followed.
    """
    if label_of(data, format) != "none":
        return data
    old = _xmp(data, format)
    new = packet(prompt_sha256, simulated=simulated, within=old)
    if format == "png":
        return chunks.in_png(data, b"iTXt", PNG_XMP + b"\0\0\0\0" + new, partial(_is_xmp, format))
    if format == "jpg":
        return chunks.in_jpeg(data, 0xE1, APP1_XMP + new, partial(_is_xmp, format))
    if format == "webp":
        return chunks.in_webp(data, b"XMP ", new, partial(_is_xmp, format))
    raise ValueError(f"a {format} can't carry a label")


def packet(prompt_sha256: str, *, simulated: bool = False, within: bytes | None = None) -> bytes:
    """The XMP packet; `within` is one that the picture has, to which the label is added."""
    said = None if within is None else within.decode("utf-8", "replace")
    tool = f"{_TOOL}, SIMULATED" if simulated else _TOOL
    text = _DESCRIPTION.format(source=quoteattr(SOURCE_TYPE), tool=quoteattr(tool), sha256=quoteattr(prompt_sha256))
    if said is not None and _TOOL_SAID.search(said):  # a property stands once in a packet: the picture's own stays
        text = text.replace(f" xmp:CreatorTool={quoteattr(tool)}", "")
    if within is not None and (end := _END.search(within)):
        return within[: end.start()] + text.encode() + within[end.start() :]
    return _PACKET.format(text).encode()


def _xmp(data: bytes, format: str) -> bytes | None:
    """The XMP packet that the label can be added to; None without one, or where ours has to take its place: it is not
    plain UTF-8 text, or says that the picture came about in another way.
    """
    parts = {"png": chunks.png_parts, "jpg": chunks.jpeg_parts, "webp": chunks.webp_parts}[format](data)
    for part in parts:
        if _is_xmp(format, part):
            body = part.body.removeprefix(APP1_XMP)
            if format == "png":
                flag, text = body[len(PNG_XMP) :][:1], body[len(PNG_XMP) + 2 :].split(b"\0", 2)[-1]
                body = b"" if flag == b"\1" else text
            return body if b"</rdf:RDF" in body and b"DigitalSourceType" not in body else None
    return None


def _is_xmp(format: str, part: chunks.Part) -> bool:
    if format == "png":
        return part.kind == b"iTXt" and part.body.startswith(PNG_XMP)
    if format == "jpg":
        return part.kind == b"\xe1" and part.body.startswith(APP1_XMP)
    return part.kind == b"XMP "
