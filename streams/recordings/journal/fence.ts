// The durable epoch: a file that names the one trainer that may write to a directory, checked before anything counts.
import { randomUUID } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { failedWith, fileError, removeFile, writeWhole } from '../disk.ts';
import { parseSegmentName } from '../history/names.ts';

/** Who may write; `segment` is the first of the last epoch that has begun, once it is on disk. */
interface Claim {
  readonly epoch: number;
  readonly holder: string;
  readonly segment?: string;
}

/** The file's name in a trainer's directory. */
export const epochName = 'epoch.json';
// a claim on its way: one name for each process, so that none writes into the file of another
const temporaryName = /^epoch\.json\.\d+\.tmp$/;

/**
 * A directory's epoch, held by this process until another claims a later one.
 *
 * The claim comes before the recording is read: what its former holder writes after that it can no longer acknowledge,
 * since it checks the claim after each write, and what it acknowledged before that has been written and is read.
 *
 * A claim is a file that is renamed. Whoever has claimed removes the files of all others that were on their way; each looks
 * at the claim again after it has made its own, and before it renames it. So a process that was stopped at any place, and
 * replaced meanwhile, finds the newer claim or its own file gone; one that renamed before that is found by the other's check.
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

  /** Claims the epoch after `lastEpoch` and after any that was claimed. Throws `E_DISK`, `E_DISK_FAILED`, `E_FENCED`, `E_FILE`. */
  static async claim(directory: string, lastEpoch: number): Promise<Fence> {
    const path = join(directory, epochName);
    const known = await readClaim(path);
    // what the claim before this one names must still be there
    const claim = { epoch: Math.max(lastEpoch, known?.epoch ?? 0) + 1, holder: randomUUID(), segment: known?.segment };
    const confirm = async (): Promise<void> => {
      const found = await readClaim(path);
      if (found?.holder !== known?.holder) throw fenced(path, found, claim);
    };
    const fence = new Fence(path, claim, await writeClaim(path, claim, confirm));
    for (const name of await namesIn(directory)) if (temporaryName.test(name)) await removeFile(join(directory, name));
    return fence;
  }

  get epoch(): number {
    return this.#claim.epoch;
  }

  /** Notes that the epoch's first segment is on disk: where no segment is as late as that one, some are lost. */
  async began(segment: string): Promise<void> {
    const claim = { ...this.#claim, segment: basename(segment) };
    try {
      this.#identity = await writeClaim(this.#path, claim, () => this.check());
    } catch (error) {
      // whoever has claimed since has taken the file away
      await this.check();
      throw error;
    }
    this.#claim = claim;
  }

  /** Throws `E_FENCED` where another has claimed the directory. */
  async check(): Promise<void> {
    // a claim is a new file under the old name, so that one look at it is enough
    if ((await identityAt(this.#path)) === this.#identity) return;
    const found = await readClaim(this.#path);
    if (found?.holder !== this.#claim.holder) throw fenced(this.#path, found, this.#claim);
  }
}

function fenced(path: string, found: Claim | undefined, { epoch }: Claim): GradwireError {
  const who = found === undefined ? `${quote(path)} is gone` : `another trainer has begun epoch ${found.epoch}`;
  return new GradwireError('E_FENCED', `${who}; this one, of epoch ${epoch}, stops, and acknowledges nothing more`);
}

/** Throws `E_RECORDING_GAP` where the last epoch that began in a directory has no segment there. */
export async function demandSegments(directory: string): Promise<void> {
  const claim = await readClaim(join(directory, epochName));
  if (claim?.segment === undefined) return;
  const names = await namesIn(directory);
  const { epoch } = parseSegmentName(claim.segment) ?? claim;
  if (names.some((name) => (parseSegmentName(name)?.epoch ?? 0) >= epoch)) return;
  const text = `${quote(directory)} lacks ${quote(claim.segment)}, which its ${epochName} names; restore the missing segments`;
  throw new GradwireError('E_RECORDING_GAP', text);
}

/** Writes a claim; gives the identity of its file. */
async function writeClaim(path: string, claim: Claim, confirm: () => Promise<void>): Promise<string> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(claim)}\n`);
  for (let i = 0; ; i++) {
    try {
      return identityOf(await writeWhole(path, [bytes], { confirm, temporary: `${path}.${i}.tmp` }));
    } catch (error) {
      if (!failedWith((error as GradwireError).cause, 'EEXIST')) throw error;
    }
  }
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

async function identityAt(path: string): Promise<string> {
  try {
    return identityOf(await stat(path, { bigint: true }));
  } catch (cause) {
    if (failedWith(cause, 'ENOENT')) return 'none';
    throw fileError(path, cause);
  }
}

function identityOf({ dev, ino, mtimeNs, size }: BigIntStats): string {
  return `${dev} ${ino} ${mtimeNs} ${size}`;
}

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
}
