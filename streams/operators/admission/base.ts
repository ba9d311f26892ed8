// A batch's model and base: whose it is, how old the weights are that it was computed on, and what its age costs.
import { GradwireError, quote } from '../../../src/errors.ts';
import type { GradientsHeader } from '../../../src/frames/gradients.ts';
import type { AdmissionPolicies } from './policies.ts';

/** Throws `E_MODEL` for a batch of another model. */
export function refuseName({ model }: GradientsHeader, { name = 'default' }: { readonly name?: string }): void {
  if (model === undefined || model === name) return;
  throw new GradwireError('E_MODEL', `the batch is for the model ${quote(model)}, this is ${quote(name)}; nothing was applied`);
}

/** Throws `E_FUTURE` or `E_STALE` for a batch that is to be folded on `version`. */
export function refuseBase({ base }: GradientsHeader, version: number, { maxStaleness }: AdmissionPolicies): void {
  if (base > version) {
    const text = `base ${base} is ahead of ${version}: the worker follows another trainer, or this one lost history; nothing was applied`;
    throw new GradwireError('E_FUTURE', text);
  }
  if (maxStaleness !== undefined && version - base > maxStaleness)
    throw new GradwireError('E_STALE', `computed on ${base}, now ${version} (limit ${maxStaleness}); nothing was applied`);
}

/**
 * What the learning rate of a batch is multiplied by that is folded on `version`: 1 / τ with τ = max(1, version − base), after
 * Zhang et al. 2015, "Staleness-aware Async-SGD"; undefined for 1.
 */
export function factorFor({ base }: GradientsHeader, version: number, { staleness }: AdmissionPolicies): number | undefined {
  const tau = Math.max(1, version - base);
  return staleness === 'scale' && tau > 1 ? 1 / tau : undefined;
}
