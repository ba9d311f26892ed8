import { specimen } from './test/faults/specimen.ts';
import { MemoryFiles } from './test/faults/memory-files.ts';
import { standOfReader, standOfTrainer, standOfBytes, standOfSnapshot } from './test/faults/stands.ts';
const s = await specimen(3);
const m = new MemoryFiles();
const name='seg-00000001-0000000000000001.mcap';
m.put('x',name,s.bytes);m.put('x','snap-0000000000000002.safetensors',s.snapshot); console.log(s.snapshot.byteLength);
for (const f of [standOfBytes, standOfReader, standOfTrainer, ()=>standOfSnapshot(m.folder('x')+'/snap-0000000000000002.safetensors')]) {
for (let i=0;i<300;i++) await f(m.folder('x'));
const c=process.cpuUsage(); const t=performance.now();
for (let i=0;i<2000;i++) await f(m.folder('x'));
console.log((process.cpuUsage(c).user/2e6+process.cpuUsage(c).system/2e6).toFixed(3),'ms cpu', ((performance.now()-t)/2000).toFixed(3));
}
