"""Operations on pixel arrays: camera warps and colour transfer. Does not depend on videos, files or models."""
