"""Make pictures clear: what blurred or spoilt them is estimated and undone."""
