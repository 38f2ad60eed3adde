"""Training of Offramp's bundles: BranchyNet's procedure with a learned, quantised bottleneck at every cut."""
