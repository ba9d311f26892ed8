import { specimen } from './test/faults/specimen.ts';
import { MemoryFiles } from './test/faults/memory-files.ts';
import { standOfReader, standOfTrainer } from './test/faults/stands.ts';
const s = await specimen(3);
console.log(s.bytes.byteLength, s.chunks, s.ending);
const m = new MemoryFiles();
const name='seg-00000001-0000000000000001.mcap';
const p = m.put('x',name,s.bytes);
for (let i=0;i<200;i++) {await standOfReader(p);await standOfTrainer(m.folder('x'))}
for (const f of [()=>standOfReader(p),()=>standOfTrainer(m.folder('x'))]) {
const c=process.cpuUsage();
for (let i=0;i<1000;i++) await f();
console.log(process.cpuUsage(c).user/1e6+process.cpuUsage(c).system/1e6,'ms cpu per read');
}
