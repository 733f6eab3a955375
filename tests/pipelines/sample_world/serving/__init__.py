"""Tests of pipelines.sample_world.serving."""
