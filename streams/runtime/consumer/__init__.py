"""How records are fetched, delivered in order and committed. The patches of Faust's and aiokafka's consumer."""
