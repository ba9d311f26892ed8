// What a benchmark hands back: tables of rows, printed for a reader or as JSON.

/** How long a benchmark may take: `smoke` only shows that it runs. */
export interface Scale {
  readonly smoke: boolean;
}

/** One line of a benchmark's table: what was measured, and its figures. */
export interface Row {
  readonly what: string;
  readonly [figure: string]: string | number;
}

/** Rows of one question. The caption says what a reader must know to judge them. */
export interface Table {
  readonly title: string;
  readonly caption?: string;
  readonly rows: readonly Row[];
}

/** All tables of one run, and the versions of what they were measured against. */
export interface Report {
  readonly versions?: Readonly<Record<string, string>>;
  readonly tables: readonly Table[];
}

/** The tables as text on the terminal. */
export function printTable({ title, caption, rows }: Table): void {
  console.log(`\n${title}`);
  if (caption !== undefined) console.log(caption);
  console.table(Object.fromEntries(rows.map(({ what, ...figures }) => [what, figures])));
}

/** A figure with three significant digits: what noise leaves of it. */
export function rounded(figure: number): number {
  return Number(figure.toPrecision(3));
}
