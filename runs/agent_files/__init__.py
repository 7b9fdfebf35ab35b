"""Agent files (.af): an agent with its tools, memory and history as one JSON text, in Letta's format."""
