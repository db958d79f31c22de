"""Operations on pixel arrays: camera warps and colour transfer. Knows no videos, files or models."""
