"""The only room that imports quart."""
