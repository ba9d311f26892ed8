// Configurations as others write them: Keras' JSON of an optimizer, and TF.js'.
import { GradwireError, quote } from '../../errors.ts';
import { presets, presetsWith } from './presets.ts';

// what Keras and TF.js write beside the hyper-parameters, and what changes no result here
const beside = ['name', 'jit_compile', 'is_legacy_optimizer', 'use_locking', 'module', 'registered_name', 'build_config'];

/**
 * The options that a configuration means: our own as they are; Keras' `{ class_name: 'RMSprop', config }` (TF.js: `className`) by
 * the preset that its names tell: `keras3` by what Keras 2 does not have, `tfjs` by its class name `RMSProp`, otherwise `keras2`.
 * What is off (`null`, `false`, 0) and not of that preset is left out.
 *
 * @throws GradwireError `E_CONFIG` for a configuration of another class.
 */
export function readKerasConfig(given: unknown): unknown {
  if (typeof given !== 'object' || given === null) return given;
  const { class_name, className = class_name, config = given } = given as Record<string, unknown>;
  const wrapped = className !== undefined;
  if (wrapped && !/^(?:.*>)?RMS[pP]rop$/.test(String(className)))
    throw new GradwireError('E_CONFIG', `this is the configuration of ${quote(String(className))}, not of RMSprop`);
  if (typeof config !== 'object' || config === null || 'preset' in config) return config;
  const settings = Object.entries(config).filter(([name, value]) => !beside.includes(name) && value !== null);
  const has = (name: string) => settings.some(([each]) => each === name);
  const isKeras3 = Object.keys(presets.keras3.names).some(
    (name) => name in config && name !== 'learning_rate' && name !== 'learningRate',
  );
  const isTfjs = className === 'RMSProp' || (has('learningRate') && has('decay') && !has('rho'));
  if (!wrapped && !isKeras3 && !isTfjs && !has('learning_rate')) return config;
  const preset = isKeras3 ? 'keras3' : isTfjs ? 'tfjs' : 'keras2';
  const { has: own, names } = presets[preset];
  const foreign = (name: string) => presetsWith(name).length > 0 && !own.includes(name) && !Object.hasOwn(names, name);
  const kept = settings.filter(([name, value]) => !foreign(name) || (value !== false && value !== 0));
  return { preset, ...Object.fromEntries(kept) };
}
