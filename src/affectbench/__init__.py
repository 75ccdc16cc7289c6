"""Benchmarks for emotion in the voice."""
