"""RNA: bundled models of 5'UTRs, folding, rewards and measures."""
