"""Design files, and the planning, pricing, simulation and ablation of designs."""
