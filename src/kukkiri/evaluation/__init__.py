"""How far a metric can be trusted: robustness of sharpness metrics against everything that is not sharpness."""
