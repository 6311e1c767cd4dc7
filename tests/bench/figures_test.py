"""What bench/load makes of the figures of its runs: intervals, lost runs, rows without a floor."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "load"))
import report
from intervals import around_mean, around_ratio


def figures(scenario, *rounds):
    return {"gateway": "turnpike", "machine": {}, "runs": {scenario: list(rounds)}}


def run(cost):
    return {"cpu_us_per_request": cost, "lost": 0}


LOST = {"lost_run": "3 lost"}


class Figures(unittest.TestCase):
    def test_an_interval_is_students(self):
        mean, low, high = around_mean([9, 10, 11])  # deviation 1: 4.303 / sqrt(3) to each side
        self.assertAlmostEqual(mean, 10)
        self.assertAlmostEqual(low, 10 - 2.4843, places=3)
        self.assertAlmostEqual(high, 10 + 2.4843, places=3)

    def test_one_value_has_no_interval(self):
        self.assertEqual(around_mean([7]), (7, None, None))

    def test_a_ratio_is_a_geometric_mean_and_its_interval_too(self):
        ratio, low, high = around_ratio([(10, 20), (10, 5), (10, 10)])
        self.assertAlmostEqual(ratio, 1)
        self.assertAlmostEqual(low * high, 1)

    def test_the_ratio_is_taken_inside_each_round(self):
        # The second round ran on a machine half as fast; the ratio is the same, the medians are not comparable.
        line = report.rows(figures("whole-1k", {"nginx": run(10), "turnpike": run(20)}, {"nginx": run(20), "turnpike": run(40)}))[0]
        self.assertAlmostEqual(line.value, 2)
        self.assertAlmostEqual(line.low, 2)
        self.assertAlmostEqual(line.high, 2)

    def test_a_lost_run_takes_its_pair_with_it_and_is_counted(self):
        line = report.rows(figures("whole-1k", {"nginx": run(10), "turnpike": run(30)}, {"nginx": LOST, "turnpike": run(1)},
                                   {"nginx": run(10), "turnpike": LOST}))[0]
        self.assertEqual((line.pairs, line.lost), (1, 2))
        self.assertAlmostEqual(line.value, 3)

    def test_all_runs_lost_leave_no_row(self):
        self.assertEqual(report.rows(figures("whole-1k", {"nginx": LOST, "turnpike": run(1)})), [])

    def test_added_latency_is_less_the_direct_run_of_the_round(self):
        def latency(value):
            return {"latency_us": {"p50": value, "p99": value * 2}}
        rounds = [{"nginx": latency(150), "turnpike": latency(240), "direct": latency(100)},
                  {"nginx": latency(550), "turnpike": latency(660), "direct": latency(500)}]
        line = next(line for line in report.rows(figures("rate", *rounds)) if line.row.field == "latency_us.p50")
        self.assertEqual((line.floor, line.gateway, line.value), (50, 150, 150))

    def test_without_a_floor_the_gateway_stands_alone(self):
        line = report.rows(figures("whole-1k", {"turnpike": run(20)}, {"turnpike": run(22)}))[0]
        self.assertIsNone(line.floor)
        self.assertEqual((line.gateway, line.ratio), (21, False))

    def test_the_translated_stream_is_held_against_the_gateways_own(self):
        def events(cost):
            return {"cpu_us_per_event": cost}
        both = figures("translated", {"nginx": events(10), "turnpike": events(24)})
        both["runs"]["paced-200"] = [{"nginx": events(10), "turnpike": events(20)}]
        line = next(line for line in report.rows(both) if line.row.against)
        self.assertAlmostEqual(line.value, 1.2)


if __name__ == "__main__":
    unittest.main()
