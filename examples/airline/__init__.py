"""An airline's service agent with a real database, played against conversations that GPT-4o once had."""
