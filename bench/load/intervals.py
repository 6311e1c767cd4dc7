"""Intervals from few pairs: Student's t, on logarithms for ratios."""
import math
import statistics

# Two-sided 95 % quantiles of Student's t by degrees of freedom.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101,
       2.093, 2.086)


def around_mean(values):
    """(mean, low, high); one value has no interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, None, None
    t = T95[min(len(values) - 1, len(T95)) - 1]
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def around_ratio(pairs):
    """Of (floor, gateway) pairs: the geometric mean of gateway / floor with its interval."""
    mean, low, high = around_mean([math.log(gateway / floor) for floor, gateway in pairs])
    return math.exp(mean), *(None if bound is None else math.exp(bound) for bound in (low, high))
