"""Operations on pixel arrays: camera warps and colour transfer. Knows no films, files or models."""
