"""Probes, metrics, health and lag of a worker. Changes nothing about messages."""
