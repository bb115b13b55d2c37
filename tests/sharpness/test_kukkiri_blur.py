from contract import MetricContract
class TestKukkiriBlur(MetricContract):
    name = "kukkiri-blur"
