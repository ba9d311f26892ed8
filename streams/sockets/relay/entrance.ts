// Who is let in at a relay: nobody is sent back to an older version than it has seen, and a worker is who the trainer says.
import { filter, firstValueFrom, merge, takeUntil, timer } from 'rxjs';
import type { ConnectOptions } from '../client/connect-options.ts';
import type { Follower } from '../client/follower.ts';
import { closeCodes } from '../protocol/close-codes.ts';
import type { Hello, Resume, Welcome } from '../protocol/words.ts';
import { TurnedAway, type WayUp } from '../server/way-up.ts';
import type { HeldAnswers } from './held-answers.ts';
import type { Mirror } from './mirror.ts';
import { Uplink } from './uplink.ts';

/** What a relay's entrance is made from. */
export interface EntranceOptions {
  readonly mirror: Mirror;
  readonly follower: Follower<string>;
  readonly answers: HeldAnswers;
  readonly connect: ConnectOptions;
  readonly catchUpMs: number;
}

/** Lets a client in when the relay is as far as the client; gives a worker its way up. Rejects with {@link TurnedAway}. */
export async function enter(hello: Hello, options: EntranceOptions): Promise<WayUp | undefined> {
  const { mirror, answers, connect } = options;
  await catchUp(hello.resume, options);
  if (hello.role !== 'worker') return undefined;
  const check = (welcome: Welcome): void => refuseOther(welcome, mirror);
  return await Uplink.open({ address: mirror.upstream, connect, hello, answers, check });
}

/** Whether a client has been further than this relay, in a history that may be the relay's own. */
function isAhead({ run, epoch, version }: Resume, mirror: Mirror): boolean {
  if (run !== mirror.run) return false;
  // what is beyond the end of an earlier epoch is lost, and the epochs say so
  return epoch > mirror.epoch || (epoch === mirror.epoch && version > mirror.version());
}

async function catchUp(resume: Resume | undefined, { mirror, follower, catchUpMs }: EntranceOptions): Promise<void> {
  const mustWait = (): boolean => !mirror.whole || (resume !== undefined && isAhead(resume, mirror));
  if (!mustWait()) return;
  const moved$ = merge(follower.updates.values$, follower.welcomes.values$).pipe(
    filter(() => !mustWait()),
    takeUntil(timer(catchUpMs)),
  );
  // a relay that ends tells its clients by closing their connections
  await firstValueFrom(moved$, { defaultValue: undefined }).catch(() => undefined);
  if (!mustWait()) return;
  const here = `this relay is at version ${mirror.version()}, epoch ${mirror.epoch}`;
  if (!mirror.whole) throw new TurnedAway(closeCodes.resync, 'E_NOT_READY: this relay fetches its weights anew; come back');
  if (resume !== undefined && resume.epoch > mirror.epoch)
    throw new TurnedAway(closeCodes.fenced, `E_NOT_READY: ${here}; you have seen epoch ${resume.epoch}`);
  // one that has all there is tells the truth: the client's version is lost
  if (!mirror.caughtUp) throw new TurnedAway(closeCodes.resync, `E_NOT_READY: ${here}; you are further; come back`);
}

function refuseOther({ run, epoch }: Welcome, mirror: Mirror): void {
  if (run === mirror.run && epoch >= mirror.epoch) return;
  const text = `E_NOT_READY: the upstream has epoch ${epoch} of the run ${run}, this relay epoch ${mirror.epoch} of ${mirror.run}; come back`;
  throw new TurnedAway(closeCodes.resync, text);
}
