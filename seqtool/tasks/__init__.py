"""One definition per task: text models and taggers. `interface.definition(name)` returns it."""
