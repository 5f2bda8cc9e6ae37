"""One definition per task: text models (`character.py`) and taggers; `interface.definition(name)` returns it."""
