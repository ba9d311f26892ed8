// How much a safetensors header may hold, checked before anything is built from it.
import { GradwireError, refuseUnknownOptions } from '../../errors.ts';
import { layoutLimits } from '../../layout.ts';

/** What a caller with larger models may raise (or lower). */
export interface SafetensorsLimits {
  /** Longest header, in bytes: 1 MiB unless told, at most the reference's 100,000,000. */
  readonly headerBytes?: number;
  /** Most tensors: 10,000 unless told. */
  readonly tensors?: number;
}

/** The limits that hold unless told otherwise; those of rank and name cannot be raised. */
export const safetensorsLimits: Readonly<Record<'headerBytes' | 'tensors' | 'rank' | 'nameBytes', number>> = Object.freeze({
  headerBytes: 2 ** 20,
  ...layoutLimits,
});

const largest = { headerBytes: 100_000_000, tensors: 1_000_000 } as const;

/** The limits with their defaults. Throws `E_CONFIG` for one that is no integer in its range, so a typing error cannot switch a limit off. */
export function completeLimits(limits: SafetensorsLimits | undefined): Required<SafetensorsLimits> {
  if (limits === undefined) return safetensorsLimits;
  refuseUnknownOptions('safetensors limit', limits, ['headerBytes', 'tensors']);
  const { headerBytes = safetensorsLimits.headerBytes, tensors = safetensorsLimits.tensors } = limits;
  return { headerBytes: within('headerBytes', headerBytes), tensors: within('tensors', tensors) };
}

function within(key: keyof typeof largest, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= largest[key]) return value;
  throw new GradwireError('E_CONFIG', `the safetensors limit ${key} is ${String(value)}, must be an integer 1..${largest[key]}`);
}
