// The one error class of gradwire and its closed list of codes; each code has a paragraph in docs/ERRORS.md.

/** Every code a {@link GradwireError} can carry. */
export const errorCodes = [
  // a program's own mistakes: options, names, arguments
  'E_CONFIG',
  'E_CONFIG_DRIFT',
  'E_LAYOUT',
  'E_WEIGHTS',
  // the content of a batch
  'E_BATCH',
  'E_BATCH_EMPTY',
  'E_UNKNOWN',
  'E_SHAPE',
  'E_DTYPE',
  'E_ROWS',
  'E_NONFINITE',
  'E_RANGE',
  'E_NORM',
  // a batch's place in the stream
  'E_MODEL',
  'E_STALE',
  'E_FUTURE',
  'E_SEQUENCE_REUSED',
  'E_SEQUENCE_TOO_OLD',
  'E_PRODUCER_FENCED',
  'E_RATE',
  'E_QUARANTINED',
  // safetensors buffers
  'E_ST_SHORT',
  'E_ST_HEADER_LIMIT',
  'E_ST_HEADER_LENGTH',
  'E_ST_UTF8',
  'E_ST_JSON',
  'E_ST_DUPLICATE',
  'E_ST_NAME',
  'E_ST_METADATA',
  'E_ST_FIELD',
  'E_ST_DTYPE',
  'E_ST_SHAPE',
  'E_ST_OVERFLOW',
  'E_ST_SIZE',
  'E_ST_OFFSET',
  'E_ST_TRAILING',
  'E_ST_TRUNCATED',
  'E_ST_COUNT',
  // frames built on them
  'E_FRAME',
  'E_CHECK',
  'E_DIGEST',
  // the connection
  'E_PROTOCOL',
  'E_TOO_LARGE',
  'E_BUSY',
  'E_FORBIDDEN',
  'E_NOT_FOUND',
  'E_CONNECTION',
  'E_NOT_READY',
  'E_CLOSED',
  'E_TIMEOUT',
  // files
  'E_RECORDING',
  'E_RECORDING_CORRUPT',
  'E_RECORDING_GAP',
  'E_FORMAT',
  'E_SNAPSHOT',
  'E_LOCKED',
  'E_FENCED',
  'E_DISK',
  'E_DISK_FAILED',
  'E_FILE',
  // programs that a user hands in
  'E_EVALUATION',
] as const;

/** One of the stable codes in `docs/ERRORS.md`. */
export type ErrorCode = (typeof errorCodes)[number];

/**
 * The codes of what is wrong in a batch itself, not with its moment: it would be refused whenever it came, and sending it again is
 * no use. Its producer makes bad gradients.
 */
export const contentCodes: readonly ErrorCode[] = [
  'E_BATCH',
  'E_BATCH_EMPTY',
  'E_UNKNOWN',
  'E_SHAPE',
  'E_DTYPE',
  'E_ROWS',
  'E_NONFINITE',
  'E_RANGE',
  'E_NORM',
];

/** What an error may carry beside its code and text. */
export interface ErrorDetails {
  /** The error underneath, where there is one. */
  cause?: unknown;
  /** Whether sending the same bytes again later can succeed. */
  retryable?: boolean;
  /** How long to wait before that, in milliseconds. */
  retryAfterMs?: number;
}

/** The one error class: `message` reads `E_CODE: what was wrong (got / expected); nothing was applied; what to do`. */
export class GradwireError extends Error {
  override readonly name = 'GradwireError';
  /** The stable code, see `docs/ERRORS.md`. */
  readonly code: ErrorCode;
  /** The message without its code. */
  readonly text: string;
  /** Whether sending the same bytes again later can succeed. */
  readonly retryable: boolean;
  /** How long to wait before that, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(code: ErrorCode, text: string, { cause, retryable = false, retryAfterMs = 0 }: ErrorDetails = {}) {
    super(`${code}: ${text}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.text = text;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

const longestQuote = 100;

/** A name from outside, safe to print: quoted, control characters escaped, cut at 100 characters. */
export function quote(name: string): string {
  const text = name.length > longestQuote ? `${name.slice(0, longestQuote)}…` : name;
  return escapeControls(JSON.stringify(text));
}

/** Text from outside, safe to print: control characters escaped, cut at `most` characters. */
export function printable(text: string, most: number = 200): string {
  return escapeControls(text.length > most ? `${text.slice(0, most)}…` : text);
}

// a terminal obeys these, or turns text around
function escapeControls(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** What is no object, and an object with a key that `known` does not hold, ends in `E_CONFIG`, with the nearest known name as a hint. */
export function refuseUnknownOptions(what: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new GradwireError('E_CONFIG', `the ${what} options are an object; got ${options === null ? 'null' : typeof options}`);
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const near = known.find((name) => distance(name.toLowerCase(), key.toLowerCase()) <= 2);
    const hint = near === undefined ? `it takes ${known.join(', ')}` : `did you mean ${quote(near)}?`;
    throw new GradwireError('E_CONFIG', `unknown ${what} option ${quote(key)}; ${hint}`);
  }
}

/** Levenshtein's distance between two short words. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[j] + 1, current[j - 1] + 1));
    }
    previous = current;
  }
  return previous[b.length];
}
