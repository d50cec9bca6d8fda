"""A QR code as inline SVG."""

import html

import qrcode
from qrcode.constants import ERROR_CORRECT_M


def qr_svg(text: str) -> str:
    """`text` as a QR code (ISO/IEC 18004, error correction M) with its quiet zone: one path of horizontal runs."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=4)
    code.add_data(text)
    code.make(fit=True)
    matrix = code.get_matrix()
    runs = "".join(_runs(y, row) for y, row in enumerate(matrix))
    size = len(matrix)
    return (
        f'<svg class="qr" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img" '
        f'shape-rendering="crispEdges"><title>QR code: {html.escape(text)}</title>'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path d="{runs}"/></svg>'
    )


def _runs(y: int, row: list[bool]) -> str:
    path, start = "", None
    for x, dark in enumerate([*row, False]):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            path += f"M{start} {y}h{x - start}v1h-{x - start}z"
            start = None
    return path
