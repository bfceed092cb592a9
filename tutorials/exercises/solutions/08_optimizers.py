"""Solutions of the exercises for 08_optimizers: one way among several, and why."""

import numpy as np

# ---- fill ----


def corrected_average(numbers, beta):
    """Compute the exponential moving average of numbers, with bias correction."""
    # The weights of t numbers sum to 1 - beta^t, not to 1, because the average begins with 0.
    average, corrected = 0.0, []
    for t, number in enumerate(numbers, start=1):
        average = beta * average + (1 - beta) * number
        corrected.append(average / (1 - beta**t))
    return np.array(corrected)


def momentum_step(p, g, v, learning_rate, momentum):
    """Take one step with momentum, as on page 08: v is a step, not a sum of gradients."""
    # v is the step itself: most of the last step, and a new part against the gradient.
    v = momentum * v - learning_rate * g
    return p + v, v


def adam_step(p, g, m, v, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Take step number t (from 1) of Adam, with both averages corrected."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    mean = m / (1 - beta1**t)
    mean_square = v / (1 - beta2**t)
    # mean / root mean square: near 1 if all gradients agree, near 0 if they only scatter.
    p = p - learning_rate * mean / (np.sqrt(mean_square) + epsilon)
    return p, m, v


# ---- explore * ----


def largest_rate_with_momentum():
    """Find out whether momentum allows larger or smaller learning rates."""

    # Across the valley, the last step pulls back: the limit is 2 (1 + momentum) = 3.8, where |p|
    # just no longer shrinks. Along it, steps add up to 10 times their length: that is the gain.
    def end(learning_rate):
        p, v = np.array([1.0]), np.array([0.0])
        for _ in range(2000):
            p, v = momentum_step(p, p, v, learning_rate, 0.9)
            if abs(p[0]) > 1e6:
                break
        return abs(p[0])

    return max(i / 10 for i in range(1, 100) if end(i / 10) < 1)


# ---- paper ----


def steps_by_hand():
    """Work out by hand how far one parameter moves. Write down lengths, without a sign."""
    # Adam: corrected, the averages are g and g^2, and g / sqrt(g^2) = 1. Momentum: v = 0.9 v + 0.1.
    return {"SGD, 50": 5.0, "SGD, 0.5": 0.05, "Adam, 50": 0.1, "Adam, 0.5": 0.1, "momentum": 1.0}
