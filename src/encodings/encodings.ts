// The encodings of updates and gradients, each in one line of a table: what of a tensor's values is sent, and as what.
import { GradwireError, quote } from '../errors.ts';
import type { Form } from '../frames/forms.ts';
import type { TensorGradient } from '../gradients/check.ts';
import { toBF16, toF16 } from './halves.ts';
import { blocksOf, toCodes } from './int8.ts';
import { type EncodingName, type EncodingOptions, encodingNames } from './names.ts';
import { defaultShare, topk } from './topk.ts';

/** An encoding with its settings. */
export interface Encoding {
  readonly name: EncodingName;
  /** Whether it drops something, and carries what to add; `f32` carries new values. */
  readonly isLossy: boolean;
  /** Bytes of so many values, without their places. */
  byteLength(values: number): number;
  /** What is sent of a tensor's values, or of some rows' of it; undefined where nothing is. The values are borrowed. */
  form<Name extends string>(values: TensorGradient<Name>): Form<Name> | undefined;
}

/** The encoding that the options tell of. Throws `E_CONFIG`. */
export function encodingOf({ encoding = 'f32', share = defaultShare, blockLength = 512 }: EncodingOptions = {}): Encoding {
  if (!encodingNames.includes(encoding))
    throw new GradwireError(
      'E_CONFIG',
      `encoding must be ${encodingNames.map(quote).join(', ')}; got ${quote(String(encoding))}`,
    );
  if (!(share > 0 && share <= 1))
    throw new GradwireError('E_CONFIG', `share must be a number from above 0 to 1; got ${String(share)}`);
  if (!Number.isSafeInteger(blockLength) || blockLength < 1)
    throw new GradwireError('E_CONFIG', `blockLength must be an integer from 1; got ${String(blockLength)}`);
  const table: Readonly<Record<EncodingName, Omit<Encoding, 'name'>>> = {
    f32: { isLossy: false, byteLength: (values) => values * 4, form: (form) => form },
    f16: { isLossy: true, byteLength: (values) => values * 2, form: (form) => ({ ...form, values: toF16(form.values) }) },
    bf16: { isLossy: true, byteLength: (values) => values * 2, form: (form) => ({ ...form, values: toBF16(form.values) }) },
    int8: {
      isLossy: true,
      byteLength: (values) => values + blocksOf(values, blockLength) * 4,
      form: (form) => ({ ...form, values: toCodes(form.values, blockLength) }),
    },
    topk: { isLossy: true, byteLength: (values) => values * 4, form: (form) => topk(form, share) },
  };
  return { name: encoding, ...table[encoding] };
}
