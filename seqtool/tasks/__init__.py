"""One definition per task: character model and tagger."""
