"""Shell pages."""
