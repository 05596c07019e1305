"""Tests that belong to no single application."""
