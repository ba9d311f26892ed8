// Figures that a test has counted: lines that the runner shows though the test passed.

/** Prints one figure, or one line of them. */
export function figure(text: string): void {
  console.log(`» ${text}`);
}

/** The figures in what a test file printed. */
export function figuresIn(output: string): string[] {
  return [...output.matchAll(/» (.*)$/gm)].map(([, text]) => text);
}

/** The value that `part` of the values are not above; the values are sorted first. NaN where there is none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}
