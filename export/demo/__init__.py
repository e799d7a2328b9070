"""A demonstration: an exported model behind TF Serving's REST paths, with a page to look at it."""
