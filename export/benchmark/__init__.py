"""How fast an exported model answers: latency and throughput."""
