"""A CLEVR-like world in numpy: scenes, pictures and questions in CLEVR's own format."""
