"""A picture in memory and on disk."""
