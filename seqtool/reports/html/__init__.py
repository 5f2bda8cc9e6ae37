"""HTML report: one file without external resources, protected by a content security policy."""
