"""Suites that every plugin of a role passes. Needs pytest; a plugin's own tests inherit from a suite and name the plugin."""
