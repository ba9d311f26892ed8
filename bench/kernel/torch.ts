// PyTorch's RMSprop on the CPU: foreach and not, with one thread and with two.
import { fileURLToPath } from 'node:url';
import { type Driven, drive } from './driven.ts';
import { named } from './gradwire.ts';
import { type Contender, Skipped } from './rounds.ts';

/** PyTorch's contenders and the version of it, which is undefined where it is not installed. */
export interface Torch {
  readonly version: string | undefined;
  readonly contenders: readonly Contender[];
  close(): Promise<void>;
}

/** Starts Debian's Python with torch_rmsprop.py; close it after the last round. */
export async function startTorch(): Promise<Torch> {
  const driven = drive('/usr/bin/python3', [fileURLToPath(new URL('../../../bench/kernel/torch_rmsprop.py', import.meta.url))]);
  const { torch: version } = ((await driven.heard()) ?? {}) as { torch?: string };
  const contenders = [false, true].flatMap((foreach) =>
    [1, 2].map((threads) => contender(driven, version !== undefined, foreach, threads)),
  );
  return { version, contenders, close: driven.close };
}

function contender(driven: Driven, installed: boolean, foreach: boolean, threads: number): Contender {
  return {
    what: `PyTorch, foreach=${foreach ? 'True' : 'False'}, ${named(threads)}`,
    open: (size) => {
      if (!installed) throw new Skipped('needs python3-torch');
      return {
        async time(steps) {
          const answer = (await driven.ask(`${Number(foreach)} ${threads} ${size} ${steps}`)) as { ns: number } | undefined;
          if (answer === undefined) throw new Error('PyTorch ended in the middle of a round');
          return answer.ns;
        },
      };
    },
  };
}
