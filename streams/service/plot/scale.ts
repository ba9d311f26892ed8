// From values to pixels: a linear or a logarithmic scale, and its round ticks.

/** A scale. */
export interface Scale {
  readonly least: number;
  readonly most: number;
  readonly log: boolean;
  /** Whether a value has a place on it. */
  holds(value: number): boolean;
  /** The pixel of a value. */
  place(value: number): number;
}

// more decades than this between the least and the most make a scale logarithmic
const decades = 2;

/** A scale over these values, from one pixel to another; logarithmic where it may be and positive values span more than two decades. */
export function scaleOf(
  values: readonly number[],
  { from, to, mayBeLog = false }: { from: number; to: number; mayBeLog?: boolean },
): Scale {
  const positive = values.filter((value) => value > 0);
  const log = mayBeLog && !values.some((value) => value < 0) && largest(positive) / smallest(positive) > 10 ** decades;
  const [least, most] = log ? [smallest(positive), largest(positive)] : spread(smallest(values), largest(values));
  const position = (value: number): number => (log ? Math.log10(value) : value);
  const [low, high] = [position(least), position(most)];
  return {
    least,
    most,
    log,
    holds: (value) => Number.isFinite(value) && (!log || value > 0),
    place: (value) => from + ((position(value) - low) / (high - low)) * (to - from),
  };
}

/** Round values on a scale, ascending: about six, or the powers of ten of a logarithmic one. */
export function ticksOf({ least, most, log }: Scale): number[] {
  if (log) {
    const powers = range(Math.ceil(Math.log10(least)), Math.floor(Math.log10(most)));
    const every = Math.ceil(powers.length / 8);
    return powers.filter((power) => power % every === 0).map((power) => Number(`1e${power}`));
  }
  const rough = (most - least) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10);
  // a step such as 0.05 is none in binary
  const slack = 1e-9;
  return range(Math.ceil(least / step - slack), Math.floor(most / step + slack)).map((count) =>
    Number((count * step).toPrecision(12)),
  );
}

/** A tick as text: in full where it is short, else with its power of ten. */
export function tickText(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 1e7 || size < 1e-3
    ? value.toExponential().replace('+', '')
    : value.toLocaleString('en-US', { maximumFractionDigits: 6 });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

/** No empty range: one value gets room around it. */
function spread(least: number, most: number): [number, number] {
  if (!Number.isFinite(least)) return [0, 1];
  if (least !== most) return [least, most];
  const room = Math.abs(least) / 2 || 1;
  return [least - room, most + room];
}

function smallest(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}
