"""Cut the README's close-ups out of the main pictures of tutorials 05 to 07.

    python tutorials/results/thumbnails.py

writes `readme/05.png` to `readme/07.png` beside this file, in a second. Whole, these pictures are
too wide to be read at the size of a thumbnail.
"""

import base64
import io
from pathlib import Path

import nbformat
from PIL import Image

COURSE = Path(__file__).parent.parent
# Left, top, right and bottom edge, as shares of the picture's width and height.
PARTS = {"05": (0.0, 0.0, 0.57, 0.64), "06": (0.03, 0.1, 0.442, 1.0), "07": (0.5, 0.0, 1.0, 1.0)}


def main_picture(number: str) -> Image.Image:
    (path,) = COURSE.glob(f"{number}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = [cell for cell in cells if "main" in cell.metadata.get("tags", [])]
    pngs = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
    return Image.open(io.BytesIO(base64.b64decode(pngs[-1]))).convert("RGB")


def main() -> None:
    for number, (left, top, right, bottom) in PARTS.items():
        picture = main_picture(number)
        width, height = picture.size
        box = tuple(map(round, (left * width, top * height, right * width, bottom * height)))
        target = Path(__file__).parent / "readme" / f"{number}.png"
        picture.crop(box).save(target, optimize=True)
        print(f"saved to {target}")


if __name__ == "__main__":
    main()
