"""Kinds of models, one module each: where the weights of ``model.kind`` are. ``config.registry`` lists them."""
