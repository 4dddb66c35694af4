"""The API told to others: `words.py` what its names mean, `document.py` the document made of routes and Structs."""
