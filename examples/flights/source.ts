// The 3,000,000 flights of vega-datasets in time order, decoded one row group at a time, as features and labels.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { featuresPerFlight, lateMinutes, writeFeatures } from './features.ts';

/** Flights in the data set: January to June 2001. */
export const flightCount = 3_000_000;

/** Flights ready to learn from: `features` holds `featuresPerFlight` weight indices each, `late` is 1 or 0. Overwritten by the next read. */
export interface Flights {
  count: number;
  readonly features: Int32Array;
  readonly late: Uint8Array;
}

/** Room for `capacity` flights. */
export function emptyFlights(capacity: number): Flights {
  return { count: 0, features: new Int32Array(capacity * featuresPerFlight), late: new Uint8Array(capacity) };
}

/** Where npm put the data; the package exports no path to it. */
function flightsFile(): string {
  return join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/flights-3m.parquet');
}

/** The columns of one row group; `date` is local time in ms read as UTC, `delay` in minutes, `distance` in miles. */
interface RowGroup {
  readonly start: number;
  readonly end: number;
  readonly columns: {
    readonly date: readonly number[];
    readonly delay: readonly bigint[];
    readonly distance: readonly bigint[];
    readonly origin: readonly string[];
    readonly destination: readonly string[];
  };
}

/** Reads flights by their position in time. It keeps one row group, so reading forwards decodes each group once. */
export class FlightSource {
  readonly #path: string;
  #file: Awaited<ReturnType<typeof asyncBufferFromFile>> | undefined;
  #metadata: FileMetaData | undefined;
  #group: RowGroup | undefined;

  constructor(path: string = flightsFile()) {
    this.#path = path;
  }

  /** Fills `into` with the `count` flights from `start` on; tells whether it had to decode a row group, which takes a fifth of a second. */
  async read(start: number, count: number, into: Flights): Promise<boolean> {
    const kept = this.#group;
    let group = kept;
    for (let i = 0; i < count; i++) {
      const position = start + i;
      if (group === undefined || position < group.start || position >= group.end) group = await this.#load(position);
      const row = position - group.start;
      const { date, delay, distance, origin, destination } = group.columns;
      writeFeatures(into.features, i * featuresPerFlight, origin[row], destination[row], date[row], Number(distance[row]));
      into.late[i] = delay[row] > lateMinutes ? 1 : 0;
    }
    into.count = count;
    return group !== kept;
  }

  async #load(position: number): Promise<RowGroup> {
    this.#file ??= await asyncBufferFromFile(this.#path);
    this.#metadata ??= await parquetMetadataAsync(this.#file);
    let start = 0;
    let end = 0;
    for (const { num_rows: rows } of this.#metadata.row_groups) {
      start = end;
      end += Number(rows);
      if (position < end) break;
    }
    if (position >= end) throw new RangeError(`flight ${position} is beyond the ${end} flights of ${this.#path}`);
    const columns: Record<string, unknown> = {};
    await parquetRead({
      file: this.#file,
      metadata: this.#metadata,
      compressors,
      rowStart: start,
      rowEnd: end,
      parsers: { timestampFromMicroseconds: (micros) => Number(micros) / 1000 },
      onChunk: ({ columnName, columnData }) => {
        columns[columnName] = columnData;
      },
    });
    this.#group = { start, end, columns: columns as unknown as RowGroup['columns'] };
    return this.#group;
  }
}
