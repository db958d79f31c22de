"""The second generation of the embedded model: 256 x 256 pixels in area, richer scenes, a camera that comes near."""
