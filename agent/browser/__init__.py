"""The board in the browser: a small server on loopback, and the page that it serves."""
