"""Switches off each override of Faust and aiokafka, to see a test on the real broker fail without it."""
