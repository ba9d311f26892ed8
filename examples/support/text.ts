// Numbers, times and paths as they are shown and printed.

/** A whole number with thousands separated; a dash while there is none. */
export function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

/** A number with so many digits after the point; a dash while there is none. */
export function decimal(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–';
}

/** A time as in `0:42`; a dash while there is none. */
export function minutes(seconds: number): string {
  const whole = Math.ceil(seconds);
  return Number.isFinite(whole) ? `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}` : '–';
}

/** A number for JSON, to so many digits after the point; null while there is none. */
export function rounded(value: number, digits: number): number | null {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : null;
}

/** A path as a shell takes it. */
export function quoted(path: string): string {
  return /^[\w./:@%+=,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
