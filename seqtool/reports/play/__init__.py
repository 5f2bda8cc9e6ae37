"""The play page: a trained model in a web page, computed in JavaScript."""
