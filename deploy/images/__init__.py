"""The container images: what they are, how they are built where no container engine runs, and what they weigh."""
