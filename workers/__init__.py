"""What runs under arq: the fold of the journal into the mirror, and the convergence of the targets."""
