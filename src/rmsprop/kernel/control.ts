// Where things stand in an arena's memory, and the names of a kernel's passes: shared by the arena, both kernels and the threads.

/** Values of a block: the unit of sums, and of work that threads take. */
export const blockLength = 4096;

/** The passes of {@link Kernel.run}: a sum of these runs them over each value in this order. */
export const passes = {
  /** Sums g² in float32, or in float64 where `squares` are asked for too; makes NaN of it where a value is not finite or beyond maxAbs. */
  check: 1,
  /** g = g / scale */
  unscale: 2,
  /** s = s + g */
  accumulate: 4,
  /** g = s / steps, s = 0 */
  average: 8,
  /** Sums g² in float64. */
  squares: 16,
  /** g = (g · clipnorm) / norm */
  scale: 32,
  /** g = min(max(g, −clipvalue), clipvalue) */
  clip: 64,
  /** g = g + λ · p */
  coupled: 128,
  /** p = p − (p · λ) · lr */
  decoupled: 256,
  /** The equations: a, m, b and p. Sums u². */
  update: 512,
  /** e = β · e + (1 − β) · p */
  follow: 1024,
  /** p = e */
  overwrite: 2048,
} as const;

/** The formula of the update pass: a sum of these. */
export const formulas = {
  /** ε inside the root. */
  inside: 1,
  centered: 2,
  /** b = µ · b + (lr · g) / D, u = b */
  scaled: 4,
  /** the same with u = µ · b + (lr · g) / D */
  nesterov: 8,
  /** b = µ · b + g / D, u = lr · b */
  raw: 12,
} as const;

/** Places of the constants, in floats from {@link constantsByteOffset} on. Each is a float32. */
export const at = {
  rho: 0,
  /** 1 − rho */
  omr: 1,
  epsilon: 2,
  lr: 3,
  mu: 4,
  lambda: 5,
  scale: 6,
  steps: 7,
  clipnorm: 8,
  norm: 9,
  clipvalue: 10,
  beta: 11,
  /** 1 − β */
  omb: 12,
  maxAbs: 13,
} as const;

/** Regions in the order of their addresses, which stand as 32-bit integers from {@link regionsByteOffset} on. */
export const regions = [
  'parameters',
  'accumulator',
  'gradients',
  'meanGradient',
  'momentum',
  'average',
  'gradientSum',
  'sums',
  'rows',
  'factors',
] as const;

/** Rows of less than four values are worked on side by side, this many at a time, in spare floats behind each region's values. */
export const shortRows = 1024;
/** Floats of a row from which on it is worked on where it stands. */
export const longRow = 4;
/** Where the number of floats before the spare ones stands, in bytes. */
export const spareByteOffset = 56;

/** Integers that threads share, from byte 0 on. */
export const threadIntegers = 14;
export const constantsByteOffset = 64;
export const constantCount = 16;
export const regionsByteOffset = 128;
/** The first byte that no constant uses. */
export const controlByteLength = 256;
