from contract import MetricContract


class TestJNB(MetricContract):
    name = "jnb"
