// The update functions of the presets' origins in float64, one value at a time, each in the order and letters of its source.

/** The next parameter; `state` is the value's own, empty at first, and `t` the number of steps before. */
export type Update = (p: number, g: number, state: Record<string, number>, t: number) => number;

interface Common {
  lr: number;
  decay: number;
  momentum: number;
  epsilon: number;
  centered: boolean;
}

/** keras-team/keras 2.3.1, keras/optimizers.py: Optimizer.get_gradients (clipvalue) and RMSprop.get_updates. */
export function keras2Update(options: { lr: number; rho: number; epsilon: number; decay?: number; clipvalue?: number }): Update {
  const { lr, rho, epsilon, decay = 0, clipvalue = Number.POSITIVE_INFINITY } = options;
  return (p, gradient, state, t) => {
    const g = Math.min(Math.max(gradient, -clipvalue), clipvalue);
    state.a = rho * (state.a ?? 0) + (1 - rho) * g ** 2;
    return p - (lr * (1 / (1 + decay * t)) * g) / (Math.sqrt(state.a) + epsilon);
  };
}

/** tensorflow/tensorflow 1.x, tensorflow/python/training/rmsprop_test.py: _rmsprop_update_numpy. */
export function tensorflow1Update({ lr, decay, momentum, epsilon, centered }: Common): Update {
  return (p, g, state) => {
    state.rms = (state.rms ?? 1) * decay + (1 - decay) * g * g;
    let denominator = state.rms + epsilon;
    if (centered) {
      state.mg = (state.mg ?? 0) * decay + (1 - decay) * g;
      denominator -= state.mg * state.mg;
    }
    state.mom = momentum * (state.mom ?? 0) + (lr * g) / Math.sqrt(denominator);
    return p - state.mom;
  };
}

/**
 * tensorflow/tfjs 4, tfjs-core/src/optimizers/rmsprop_optimizer.ts: applyGradients. There the centered denominator is
 * √(ms − (mg² + epsilon)); here and in gradwire it is √(ms − mg² + epsilon), as everywhere else.
 */
export function tfjsUpdate(options: Common): Update {
  const update = tensorflow1Update(options);
  return (p, g, state, t) => {
    state.rms ??= 0;
    return update(p, g, state, t);
  };
}

/** pytorch/pytorch 1.13, torch/optim/rmsprop.py: _single_tensor_rmsprop. */
export function torchUpdate(options: {
  lr: number;
  alpha: number;
  eps: number;
  momentum: number;
  centered: boolean;
  weight_decay: number;
}): Update {
  const { lr, alpha, eps, momentum, centered, weight_decay } = options;
  return (p, gradient, state) => {
    const g = gradient + weight_decay * p;
    state.square = alpha * (state.square ?? 0) + (1 - alpha) * g * g;
    let average = Math.sqrt(state.square);
    if (centered) {
      state.grad = alpha * (state.grad ?? 0) + (1 - alpha) * g;
      average = Math.sqrt(state.square - state.grad * state.grad);
    }
    average += eps;
    if (momentum === 0) return p - (lr * g) / average;
    state.buffer = momentum * (state.buffer ?? 0) + g / average;
    return p - lr * state.buffer;
  };
}

/** google-deepmind/optax 0.2, optax/_src/transform.py: scale_by_rms and scale_by_stddev; optax/transforms/_accumulation.py: trace. */
export function optaxUpdate(options: {
  learning_rate: number;
  decay: number;
  eps: number;
  initial_scale: number;
  eps_in_sqrt: boolean;
  centered: boolean;
  momentum: number;
  nesterov: boolean;
}): Update {
  const { learning_rate, decay, eps, initial_scale, eps_in_sqrt, centered, momentum, nesterov } = options;
  return (p, g, state) => {
    state.nu = (1 - decay) * g ** 2 + decay * (state.nu ?? initial_scale);
    state.mu = (1 - decay) * g + decay * (state.mu ?? 0);
    const n = centered ? state.nu - state.mu ** 2 : state.nu;
    const scaling = eps_in_sqrt ? 1 / Math.sqrt(n + eps) : 1 / (Math.sqrt(n) + eps);
    const update = -learning_rate * scaling * g;
    if (momentum === 0) return p + update;
    state.trace = update + momentum * (state.trace ?? 0);
    return p + (nesterov ? update + momentum * state.trace : state.trace);
  };
}
