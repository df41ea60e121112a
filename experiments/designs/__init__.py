"""Design files, and the answers of planner, price list and simulator about them."""
