"""The built-in demo model: needs no key, and is no LLM."""

from llms.demo.client import MODEL, DemoClient

__all__ = ["MODEL", "DemoClient"]
