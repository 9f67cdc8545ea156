"""How a release reaches people, and how it is taken back: by GitHub's workflow and by hand alike."""
