// The tokens of a JSON text, one after the other; no recursion, so no depth of nesting can exhaust the stack.
import { GradwireError } from '../../errors.ts';

const quoteMark = 0x22;
const backslash = 0x5c;
const zero = 0x30;
const nine = 0x39;

// a substring may keep its whole text alive, so strings out of a large header are made anew
const largeText = 16_384;

const kinds: readonly (readonly [RegExp, string])[] = [
  [/^-?[0-9]/, 'a number'],
  [/^"/, 'a string'],
  [/^\{/, 'an object'],
  [/^\[/, 'an array'],
  [/^(true|false)\b/, 'a boolean'],
  [/^null\b/, 'null'],
];

/** Reads a text from left to right. Every method first skips white space; every error is `E_ST_JSON` with the place. */
export class Scanner {
  readonly text: string;
  /** Whether a backslash occurs at all: only an escape can spell what UTF-8 cannot, such as a lone surrogate. */
  readonly hasEscapes: boolean;
  private at = 0;

  constructor(text: string) {
    this.text = text;
    this.hasEscapes = text.includes('\\');
  }

  /** Whether the next character is `character`; if so, moves past it. */
  take(character: '{' | '}' | '[' | ']' | ':' | ','): boolean {
    if (this.next() !== character.charCodeAt(0)) return false;
    this.at++;
    return true;
  }

  /** Moves past `character`. */
  expect(character: '{' | '}' | '[' | ']' | ':' | ','): void {
    if (!this.take(character)) this.fail(`"${character}"`);
  }

  /** After an element: true past a comma, false past `close`. */
  more(close: '}' | ']'): boolean {
    if (this.take(',')) return true;
    if (this.take(close)) return false;
    return this.fail(`"," or "${close}"`);
  }

  /** The end of the text, with nothing but white space before it. */
  end(): void {
    if (!Number.isNaN(this.next())) this.fail('only spaces after the header object');
  }

  /** What is left of the text, without the spaces that fill up its end. Does not move. */
  rest(): string {
    const { text } = this;
    let end = text.length;
    while (text.charCodeAt(end - 1) === 0x20) end--;
    return text.slice(this.at, end);
  }

  /** A string, or undefined (and not moved) where another value stands. */
  string(): string | undefined {
    if (this.next() !== quoteMark) return undefined;
    const { text } = this;
    const start = this.at;
    let at = start + 1;
    let escaped = false;
    for (let code = text.charCodeAt(at); code !== quoteMark; code = text.charCodeAt(++at)) {
      if (code === backslash) {
        escaped = true;
        at++;
      } else if (!(code >= 0x20)) {
        this.at = Math.min(at, text.length);
        return this.fail(at < text.length ? 'no raw control character in a string' : 'the end of a string');
      }
    }
    this.at = at + 1;
    if (!escaped && text.length < largeText) return text.slice(start + 1, at);
    return this.unescape(text.slice(start, at + 1), start);
  }

  /** The key of a member and the colon after it. */
  key(): string {
    const key = this.string();
    if (key === undefined) return this.fail('a key in quotes');
    this.expect(':');
    return key;
  }

  /** A plain integer 0..2^53-1, or undefined (and not moved) where anything else stands: `-0`, `1e3` and `1.0` are none. */
  integer(): number | undefined {
    let code = this.next();
    const { text, at: start } = this;
    let at = start;
    let value = 0;
    while (code >= zero && code <= nine) {
      value = value * 10 + (code - zero);
      code = text.charCodeAt(++at);
    }
    const leadingZero = at - start > 1 && text.charCodeAt(start) === zero;
    // after '.', 'E' and 'e' the number would go on
    const goesOn = code === 0x2e || code === 0x45 || code === 0x65;
    if (at === start || leadingZero || goesOn || value > Number.MAX_SAFE_INTEGER) return undefined;
    this.at = at;
    return value;
  }

  /** The kind of value that stands here, for an error: `a string`, `null`. */
  kind(): string {
    this.next();
    const here = this.text.slice(this.at, this.at + 8);
    return kinds.find(([pattern]) => pattern.test(here))?.[1] ?? this.fail('a value');
  }

  /** The number that stands here as it is written, cut at 24 characters, or the kind of another value. */
  literal(): string {
    const kind = this.kind();
    if (kind !== 'a number') return kind;
    const number = this.text.slice(this.at, this.at + 25).replace(/[^-+.0-9eE].*/s, '');
    return number.length > 24 ? `${number.slice(0, 24)}…` : number;
  }

  /** Throws `E_ST_JSON`: `what` was expected here. */
  fail(what: string): never {
    const byte = new TextEncoder().encode(this.text.slice(0, this.at)).byteLength;
    throw new GradwireError('E_ST_JSON', `expected ${what} at byte ${byte} of the header`);
  }

  /** The code of the next character that is no white space; NaN at the end. */
  private next(): number {
    const { text } = this;
    let code = text.charCodeAt(this.at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++this.at);
    return code;
  }

  /** A quoted string, as a string of its own. */
  private unescape(quoted: string, start: number): string {
    try {
      return JSON.parse(quoted) as string;
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      this.at = start;
      return this.fail('a string with valid escapes');
    }
  }
}
