// What `tfRMSprop` may be told, and its configuration in the form that survives TF.js' own way of saving it.
import { GradwireError } from '../../../src/errors.ts';
import type { RMSpropConfig, RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import { readKerasConfig } from '../../../src/rmsprop/options/keras-config.ts';

/** The options of gradwire's RMSprop, of every preset; the parameters are the model's own. */
export interface TfRMSpropOptions extends Omit<RMSpropOptions, 'initial'> {
  /** Told of a batch whose gradients are not finite or beyond `maxAbs`: it changes nothing and training goes on. Without it the step throws. */
  readonly onRefused?: (error: GradwireError) => void;
}

/** A configuration as `getConfig` gives it. */
export interface TfRMSpropConfig extends RMSpropConfig {
  /** The whole configuration as JSON in hexadecimal digits, where it holds patterns: TF.js changes texts when it saves a model. */
  readonly exact?: string;
}

/** A configuration that TF.js can save and load again. Texts that are names of ours come back from its snake_case, patterns do not. */
export function savable(config: RMSpropConfig): TfRMSpropConfig {
  const { groups, excludeFromWeightDecay } = config;
  if (groups === undefined && excludeFromWeightDecay === undefined) return config;
  const bytes = new TextEncoder().encode(JSON.stringify(config));
  return { ...config, exact: Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('') };
}

/** The options that a configuration means: one of {@link savable}, Keras' or TF.js'. Throws `E_CONFIG`. */
export function optionsOf(config: unknown): TfRMSpropOptions {
  const { exact } = (config ?? {}) as { exact?: unknown };
  if (exact === undefined) return readKerasConfig(config) as TfRMSpropOptions;
  if (typeof exact !== 'string' || !/^([0-9a-f]{2})+$/.test(exact))
    throw new GradwireError('E_CONFIG', 'exact must be JSON in hexadecimal digits, as getConfig gives it');
  const bytes = Uint8Array.from(exact.match(/../g) as string[], (pair) => Number.parseInt(pair, 16));
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as TfRMSpropOptions;
  } catch (cause) {
    throw new GradwireError('E_CONFIG', 'exact is not JSON in hexadecimal digits', { cause });
  }
}
