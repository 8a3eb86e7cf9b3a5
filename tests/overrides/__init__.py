"""Each override of Faust and aiokafka, switched off, to see a test on the real broker fail without it."""
