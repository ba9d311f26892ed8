// The sentence that stands beside every result of folding recorded gradients in another way.

/** What such a result is not. Fork and sweep always say it. */
export const caveat: string =
  "gradients recorded on other weights are not a retraining: they were computed at the recorded run's weights, not at the forked ones";
