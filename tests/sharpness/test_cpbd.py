from contract import MetricContract


class TestCPBD(MetricContract):
    name = "cpbd"
