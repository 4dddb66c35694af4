"""What `scripts/bench` is made of: records, processes, questions, bars, and what is told of them."""
