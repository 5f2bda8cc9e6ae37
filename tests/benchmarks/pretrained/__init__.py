"""Write the models that the package ships: train, shrink, evaluate, describe."""
