// `gradwire verify PATH`: checks every byte that it can, and says what it proved.
import { Command } from 'commander';
import { type Finding, type Verification, verify } from '../../recordings/index.ts';
import { bytes, lines, print, readingProgress } from '../output.ts';

/** The command. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('check every byte of a recording, a snapshot or a weights file, and say what that proves; exit 1 for damage')
    .argument('<path>', 'an .mcap file, the directory of a trainer, or a safetensors file')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire verify run\n')
    .action(run);
}

async function run(path: string, { json }: { json?: boolean }): Promise<void> {
  const bar = readingProgress('verifying');
  let verification: Verification;
  try {
    verification = await verify(path, { progress: bar.update });
  } finally {
    bar.stop();
  }
  if (json) print({ ...verification }, { json });
  else show(verification);
  if (!verification.ok) process.exitCode = 1;
}

function show({ ok, what, run, model, proved, unproved, findings, digest, ...facts }: Verification): void {
  const damaged = findings.filter(({ severity }) => severity === 'damage').length;
  const verdict = ok ? 'no damage found' : `damaged in ${damaged} ${damaged === 1 ? 'place' : 'places'}`;
  const size = bytes(facts.bytes);
  print({ verdict, what, run, model, digest, checked: `${size} in ${facts.seconds.toFixed(2)} s` });
  process.stdout.write(section('proved', proved) + section('not proved', unproved));
  process.stdout.write(section('found', findings.map(sentenceOf)));
}

function section(title: string, sentences: readonly string[]): string {
  return sentences.length === 0
    ? ''
    : `\n${lines(Object.fromEntries(sentences.map((text, i) => [i === 0 ? title : ' '.repeat(i), text])))}`;
}

function sentenceOf({ severity, file, version, offset, code, text }: Finding): string {
  const where = [file, version === undefined ? '' : `version ${version}`, offset === undefined ? '' : `offset ${offset}`];
  return `${severity} in ${where.filter((part) => part !== '').join(', ')}: ${code === undefined ? '' : `${code}: `}${text}`;
}
