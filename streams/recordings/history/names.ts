// The names of files in a run's directory: they sort in the order of the run.

/** A segment's epoch and first version. */
interface SegmentName {
  readonly epoch: number;
  readonly firstVersion: number;
}

/** `seg-<epoch>-<first version>.mcap`, zero-padded so that names sort as the run goes. */
export function segmentName({ epoch, firstVersion }: SegmentName): string {
  return `seg-${padded(epoch, 8)}-${padded(firstVersion, 16)}.mcap`;
}

/** What {@link segmentName} was given, or undefined for another name. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const [, epoch, firstVersion] = /^seg-(\d{8})-(\d{16})\.mcap$/.exec(name) ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), firstVersion: Number(firstVersion) };
}

/** `snap-<version>.safetensors`, zero-padded. */
export function snapshotName(version: number): string {
  return `snap-${padded(version, 16)}.safetensors`;
}

/** The version of a snapshot's name, or undefined for another name. */
export function parseSnapshotName(name: string): number | undefined {
  const [, version] = /^snap-(\d{16})\.safetensors$/.exec(name) ?? [];
  return version === undefined ? undefined : Number(version);
}

function padded(count: number, digits: number): string {
  return String(count).padStart(digits, '0');
}
