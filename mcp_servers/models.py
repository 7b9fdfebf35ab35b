"""Which MCP servers there are, and how each is reached."""
