// Recovers the directory that it is given, in a process of its own, and says how long it took and what memory it had.
import { readFileSync, writeFileSync } from 'node:fs';
import { openHistory, recover } from '../../streams/trainer/history.ts';

// the kernel's peak begins with that of the process that started this one
if (process.platform === 'linux') writeFileSync('/proc/self/clear_refs', '5');
const rssBefore = process.memoryUsage().rss;
const start = performance.now();
const history = await openHistory({ directory: process.argv[2] });
const from = history.start.version;
const { optimizer } = await recover(history);
const seconds = (performance.now() - start) / 1000;
await history.close();
const [, peakKiB = process.resourceUsage().maxRSS] = /^VmHWM:\s+(\d+) kB$/m.exec(status()) ?? [];
const rssPeak = Number(peakKiB) * 1024;
console.log(JSON.stringify({ seconds, folded: optimizer.version - from, rssBefore, rssPeak }));

function status(): string {
  return process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '';
}
