"""XMP: the IPTC mark "made by a trained model", which stock sites and social networks read.

IPTC's Digital Source Type, https://cv.iptc.org/newscodes/digitalsourcetype/. Knows no jobs and no files.
"""

from __future__ import annotations

import re
import struct
from xml.sax.saxutils import escape

from sdbatch.version import __version__

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # Adobe's id of the box that holds XMP in an MP4
# What XML 1.0 forbids, escaped or not: control characters, surrogates and two non-characters.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DESCRIPTION = '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description>'
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <xmp:CreatorTool>sdbatch {version}</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>{description}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def packet(description: str = "") -> str:
    """An XMP packet; ``description`` is any text (characters that XML forbids are dropped)."""
    text = escape(_FORBIDDEN.sub("", description))
    body = "\n   " + _DESCRIPTION.format(text) if text else ""
    return _PACKET.format(version=__version__, source=SOURCE_TYPE, description=body)


def box(description: str = "") -> bytes:
    """The packet as an MP4 box, for the end of the file."""
    body = packet(description).encode()
    return struct.pack(">I4s", 24 + len(body), b"uuid") + _BOX + body
