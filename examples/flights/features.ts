// A flight as seven indices into 2^14 weights: the hashing trick, the same on every machine and in every run.

/** How many weights the model has; every feature's text is hashed to one of them. */
export const weightCount: number = 2 ** 14;

/** Features of a flight: origin, destination, their pair, hour, weekday, calendar day, distance bucket. */
export const featuresPerFlight = 7;

/** A flight that arrives more than this many minutes late counts as late: the label. */
export const lateMinutes = 15;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const bucketMiles = 100;

/** FNV-1a over the text's UTF-16 units, its high bits folded onto the low ones: an index below `weightCount`. */
export function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 14)) & (weightCount - 1);
}

/** A function that hashes `name=value` once for each distinct value and remembers it. */
function feature<Value>(name: string): (value: Value) => number {
  const known = new Map<Value, number>();
  return (value) => {
    let index = known.get(value);
    if (index === undefined) {
      index = hashed(`${name}=${value}`);
      known.set(value, index);
    }
    return index;
  };
}

const originOf = feature<string>('origin');
const destinationOf = feature<string>('destination');
const pairOf = feature<string>('pair');
const hourOf = feature<number>('hour');
const weekdayOf = feature<number>('weekday');
const dayOf = feature<number>('day');
const distanceOf = feature<number>('distance');

/** Writes a flight's seven indices into `into` at `offset`. `departureMs` is local time, read as if it were UTC; `distance` is in miles. */
export function writeFeatures(
  into: Int32Array,
  offset: number,
  origin: string,
  destination: string,
  departureMs: number,
  distance: number,
): void {
  const day = Math.floor(departureMs / dayMs);
  into[offset] = originOf(origin);
  into[offset + 1] = destinationOf(destination);
  into[offset + 2] = pairOf(`${origin}-${destination}`);
  into[offset + 3] = hourOf(Math.floor((departureMs - day * dayMs) / hourMs));
  into[offset + 4] = weekdayOf((day + 4) % 7); // 1970-01-01 was a Thursday; 0 is Sunday
  into[offset + 5] = dayOf(day);
  into[offset + 6] = distanceOf(Math.floor(distance / bucketMiles));
}
