"""Networks in torch: tensors in, tensors out. This package knows no files, no output and no ranks."""
