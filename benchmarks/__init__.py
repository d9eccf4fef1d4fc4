"""Side by side with peers and with the physical limit: ``python -m benchmarks`` prints the tables of docs/performance.md."""
