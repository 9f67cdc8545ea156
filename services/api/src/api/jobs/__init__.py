"""Jobs and their tasks as people give, watch and steer them; machines meet them at the dispatcher."""
