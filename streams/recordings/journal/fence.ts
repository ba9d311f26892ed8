// The durable epoch: a file that names the one trainer that may write to a directory, checked before anything counts.
import { randomUUID } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { failedWith, fileError, writeWhole } from '../disk.ts';
import { parseSegmentName } from '../history/names.ts';

/** Who may write; `segment` is the first of the last epoch that has begun, once it is on disk. */
interface Claim {
  readonly epoch: number;
  readonly holder: string;
  readonly segment?: string;
}

/** The file's name in a trainer's directory. */
export const epochName = 'epoch.json';

/**
 * A directory's epoch, held by this process until another claims a later one.
 *
 * The claim comes before the recording is read: what its former holder writes after that it can no longer acknowledge,
 * since it checks the claim after each write, and what it acknowledged before that has been written and is read.
 */
export class Fence {
  readonly #path: string;
  #claim: Claim;
  #identity: string;

  private constructor(path: string, claim: Claim, identity: string) {
    this.#path = path;
    this.#claim = claim;
    this.#identity = identity;
  }

  /** Claims the epoch after `lastEpoch` and after any that was claimed. Throws `E_DISK`, `E_DISK_FAILED`, `E_FILE`. */
  static async claim(directory: string, lastEpoch: number): Promise<Fence> {
    const path = join(directory, epochName);
    const known = await readClaim(path);
    // what the claim before this one names must still be there
    const claim = { epoch: Math.max(lastEpoch, known?.epoch ?? 0) + 1, holder: randomUUID(), segment: known?.segment };
    await writeClaim(path, claim);
    return new Fence(path, claim, await identityOf(path));
  }

  get epoch(): number {
    return this.#claim.epoch;
  }

  /** Notes that the epoch's first segment is on disk: where no segment is as late as that one, some are lost. */
  async began(segment: string): Promise<void> {
    await this.check();
    this.#claim = { ...this.#claim, segment: basename(segment) };
    await writeClaim(this.#path, this.#claim);
    this.#identity = await identityOf(this.#path);
  }

  /** Throws `E_FENCED` where another has claimed the directory. */
  async check(): Promise<void> {
    // a claim is a new file under the old name, so that one look at it is enough
    if ((await identityOf(this.#path)) === this.#identity) return;
    const found = await readClaim(this.#path);
    if (found?.holder === this.#claim.holder) return;
    const who = found === undefined ? `${quote(this.#path)} is gone` : `another trainer has begun epoch ${found.epoch}`;
    throw new GradwireError('E_FENCED', `${who}; this one, of epoch ${this.epoch}, stops, and acknowledges nothing more`);
  }
}

/** Throws `E_RECORDING_GAP` where the last epoch that began in a directory has no segment there. */
export async function demandSegments(directory: string): Promise<void> {
  const claim = await readClaim(join(directory, epochName));
  if (claim?.segment === undefined) return;
  const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
  const { epoch } = parseSegmentName(claim.segment) ?? claim;
  if (names.some((name) => (parseSegmentName(name)?.epoch ?? 0) >= epoch)) return;
  const text = `${quote(directory)} lacks ${quote(claim.segment)}, which its ${epochName} names; restore the missing segments`;
  throw new GradwireError('E_RECORDING_GAP', text);
}

async function writeClaim(path: string, claim: Claim): Promise<void> {
  await writeWhole(path, [new TextEncoder().encode(`${JSON.stringify(claim)}\n`)]);
}

/** The claim, or undefined where there is none or it cannot be understood: the segments then say which epoch was last. */
async function readClaim(path: string): Promise<Claim | undefined> {
  const text = await readFile(path, 'utf8').catch((cause) =>
    failedWith(cause, 'ENOENT') ? '' : Promise.reject(fileError(path, cause)),
  );
  try {
    const { epoch, holder, segment } = JSON.parse(text) as Partial<Claim>;
    const sound = Number.isSafeInteger(epoch) && typeof holder === 'string' && ['string', 'undefined'].includes(typeof segment);
    return sound ? ({ epoch, holder, segment } as Claim) : undefined;
  } catch {
    return undefined;
  }
}

async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, mtimeNs, size } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${mtimeNs} ${size}`;
  } catch (cause) {
    if (failedWith(cause, 'ENOENT')) return 'none';
    throw fileError(path, cause);
  }
}
