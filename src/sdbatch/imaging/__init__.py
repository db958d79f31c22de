"""Operations on pixel arrays: camera warps, colour transfer, preprocessors of control pictures.

Does not depend on videos, files or models.
"""
