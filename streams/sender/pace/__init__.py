"""How fast the account may send, with what is durable of it. What the limits are is decided in streams/domain."""
