"""Networks in torch: tensors in, tensors out. They know nothing of files, printing or ranks."""
