// A float32 reference of the whole optimizer, written from docs/SEMANTICS.md without a look at the kernels: the tests' own.
// Clear and slow; schedules and constraints are left out.
import type { GradientRecord } from '../../src/gradients/batch.ts';
import type { Layout, TensorSpec } from '../../src/layout.ts';
import { clip, type Gradient, normOf, round, sumOfSquares } from './reference.clip.ts';
import { groupOf, type Origin, origins, type ReferenceGroup, type ReferenceOptions } from './reference.options.ts';
import { LossScale, powerOf, RefusedBatch, readBatch, type TouchedRows } from './reference.rows.ts';

/** One tensor's parameters, mean square, mean gradient, momentum, average and sum of gradients: those slots that the options keep. */
export interface Slots {
  readonly p: Float32Array;
  readonly a: Float32Array;
  readonly m?: Float32Array;
  readonly b?: Float32Array;
  readonly e?: Float32Array;
  readonly s?: Float32Array;
}

/** What one step of the reference did, in the names of the library's. */
export interface ReferenceResult {
  version: number;
  learningRate: number;
  gradientNorm: number;
  updateNorm: number;
  clipFactor: number;
  rowsTouched: number;
  skipped: boolean;
  updated: boolean;
}

interface Tensor extends Slots {
  readonly spec: TensorSpec;
  readonly group: ReferenceGroup;
  /** Of how many batches of its tensor each row has decayed, and how many there were (`sparse: 'exact'`). */
  readonly paid: number[];
  batches: number;
}

/** A gradient with the rows that it touches. */
type Touch = Gradient & TouchedRows;

/** The optimizer of docs/SEMANTICS.md, tensor by tensor and value by value. */
export class Reference {
  version = 0;
  skipped = 0;
  readonly #options: ReferenceOptions;
  readonly #origin: Origin;
  readonly #tensors = new Map<string, Tensor>();
  /** The tensors that one of the batches since the last update held. */
  readonly #held = new Set<string>();
  readonly #lossScale: LossScale;

  constructor(model: Layout, options: ReferenceOptions = {}, initial: Readonly<Record<string, Float32Array | undefined>> = {}) {
    this.#options = options;
    this.#origin = origins[options.preset ?? 'keras2'];
    this.#lossScale = new LossScale(options.lossScale);
    const { centered = false, momentum = 0, useEma = false, gradientAccumulationSteps = 1 } = options;
    const buffer = this.#origin.momentum === 'always' || momentum > 0;
    for (const spec of model.tensors) {
      const p = initial[spec.name]?.slice() ?? new Float32Array(spec.length);
      this.#tensors.set(spec.name, {
        spec,
        group: groupOf(spec.name, options.groups),
        paid: new Array(spec.rows).fill(0),
        batches: 0,
        p,
        a: new Float32Array(spec.length).fill(round(options.initialScale ?? this.#origin.start)),
        ...(centered ? { m: new Float32Array(spec.length) } : {}),
        ...(buffer ? { b: new Float32Array(spec.length) } : {}),
        ...(useEma ? { e: p.slice() } : {}),
        ...(gradientAccumulationSteps > 1 ? { s: new Float32Array(spec.length) } : {}),
      });
    }
  }

  /** The slots of a tensor: live arrays. */
  get(name: string): Slots {
    return this.#tensors.get(name) as Tensor;
  }

  /** Updates made so far: the t of the next one. */
  get updates(): number {
    return Math.floor((this.version - this.skipped) / (this.#options.gradientAccumulationSteps ?? 1));
  }

  /** Folds one batch, or throws {@link RefusedBatch} and changes nothing. */
  step(batch: GradientRecord): ReferenceResult {
    const specs = [...this.#tensors.values()].map(({ spec }) => spec);
    const read = readBatch(specs, batch, this.#options);
    if (read === 'not finite') {
      if (!this.#lossScale.dynamic) throw new RefusedBatch('E_NONFINITE');
      this.skipped += 1;
      this.version += 1;
      this.#lossScale.grew(false);
      return this.#result({ skipped: true });
    }
    const scale = this.#lossScale.value;
    const taken = read.filter(({ name }) => this.#tensor(name).group.frozen !== true);
    for (const { g } of taken) for (let i = 0; i < g.length; i++) g[i] = scale === 1 ? g[i] : round(g[i] / scale);
    const touched = this.#accumulate(taken);
    const result = touched === undefined ? this.#result({}) : this.#update(touched);
    const rowsTouched = read.reduce((sum, { rows }) => sum + rows.length, 0) / this.#rows();
    this.#lossScale.grew(true);
    this.version += 1;
    return { ...result, rowsTouched, version: this.version };
  }

  // 3: all but every k-th batch only add to the sums
  #accumulate(taken: Touch[]): Touch[] | undefined {
    const { gradientAccumulationSteps: k = 1 } = this.#options;
    if (k === 1) return taken;
    for (const { name, g } of taken) {
      const { s = g } = this.#tensor(name);
      for (let i = 0; i < g.length; i++) s[i] = round(s[i] + g[i]);
      this.#held.add(name);
    }
    if ((this.version - this.skipped) % k !== k - 1) return undefined;
    const summed: Touch[] = [];
    for (const [name, { spec, s }] of this.#tensors) {
      if (s === undefined || !this.#held.has(name)) continue;
      summed.push({ name, rows: Array.from({ length: spec.rows }, (_, row) => row), g: s.map((sum) => round(sum / k)) });
      s.fill(0);
    }
    this.#held.clear();
    return summed;
  }

  // 4 to 11
  #update(touched: Touch[]): ReferenceResult {
    const gradientNorm = normOf(touched);
    const clipFactor = clip(touched, this.#options);
    let updateSquares = 0;
    for (const touch of touched) {
      const tensor = this.#tensor(touch.name);
      this.#pay(tensor, touch);
      updateSquares += sumOfSquares(this.#descend(tensor, touch));
    }
    this.#average(touched);
    const updateNorm = round(Math.sqrt(updateSquares));
    return this.#result({ gradientNorm, updateNorm, clipFactor, updated: true });
  }

  // a row that was left out of k batches of its tensor pays rho^k before the step
  #pay(tensor: Tensor, { rows }: Touch): void {
    if (this.#options.sparse === 'lazy') return;
    const { a, m, paid, spec, group } = tensor;
    const before = tensor.batches++;
    for (const row of rows) {
      const factor = powerOf(this.#rho(group), before - paid[row]);
      paid[row] = before + 1;
      for (let i = row * spec.rowLength; i < (row + 1) * spec.rowLength; i++) {
        a[i] = round(a[i] * factor);
        if (m !== undefined) m[i] = round(m[i] * factor);
      }
    }
  }

  // 5 to 9; returns u
  #descend(tensor: Tensor, { rows, g: clipped }: Touch): Float32Array {
    const { spec, p } = tensor;
    const lr = this.#learningRate(tensor.group);
    const lambda = this.#lambda(tensor);
    const updates = new Float32Array(clipped.length);
    for (let j = 0; j < clipped.length; j++) {
      const i = rows[Math.floor(j / spec.rowLength)] * spec.rowLength + (j % spec.rowLength);
      let g = clipped[j];
      if (lambda > 0 && this.#origin.weightDecay === 'decoupled') p[i] = round(p[i] - round(round(p[i] * lambda) * lr));
      if (lambda > 0 && this.#origin.weightDecay === 'coupled') g = round(g + round(lambda * p[i]));
      const denominator = this.#denominator(tensor, i, g);
      updates[j] = this.#move(tensor, i, g, denominator, lr);
      p[i] = round(p[i] - updates[j]);
    }
    return updates;
  }

  // 7 and 8
  #denominator({ a, m, group }: Tensor, i: number, g: number): number {
    const { epsilon = this.#origin.epsilon, epsInSqrt = this.#origin.inside } = this.#options;
    const rho = this.#rho(group);
    const rest = round(1 - rho);
    a[i] = round(round(rho * a[i]) + round(rest * round(g * g)));
    let d = a[i];
    if (m !== undefined) {
      m[i] = round(round(rho * m[i]) + round(rest * g));
      d = round(a[i] - round(m[i] * m[i]));
      if (!(d > 0)) d = 0;
    }
    const added = round(epsilon);
    return epsInSqrt ? round(Math.sqrt(round(d + added))) : round(round(Math.sqrt(d)) + added);
  }

  // 9; returns u
  #move({ b }: Tensor, i: number, g: number, denominator: number, lr: number): number {
    const { momentum = 0, nesterov = false } = this.#options;
    const mu = round(momentum);
    if (b === undefined) return round(round(lr * g) / denominator);
    if (this.#origin.momentum === 'outside') {
      b[i] = round(round(mu * b[i]) + round(g / denominator));
      return round(lr * b[i]);
    }
    const moved = round(round(lr * g) / denominator);
    b[i] = round(round(mu * b[i]) + moved);
    return nesterov ? round(round(mu * b[i]) + moved) : b[i];
  }

  // 10
  #average(touched: readonly Touch[]): void {
    const { useEma = false, emaMomentum = 0.99, emaOverwriteFrequency = 0 } = this.#options;
    if (!useEma) return;
    const beta = round(emaMomentum);
    const rest = round(1 - beta);
    if (this.updates === 0) for (const { p, e } of this.#tensors.values()) e?.set(p);
    else
      for (const { name, rows } of touched) {
        const { p, e = p, spec } = this.#tensor(name);
        for (const row of rows)
          for (let i = row * spec.rowLength; i < (row + 1) * spec.rowLength; i++)
            e[i] = round(round(beta * e[i]) + round(rest * p[i]));
      }
    const overwrite = emaOverwriteFrequency > 0 && (this.updates + 1) % emaOverwriteFrequency === 0;
    if (overwrite) for (const { p, e = p } of this.#tensors.values()) p.set(e);
  }

  #learningRate({ lrMultiplier = 1, decay = this.#options.decay ?? 0 }: Partial<ReferenceGroup> = {}): number {
    const { lr = this.#origin.lr } = this.#options;
    return round(((lr * 1) / (1 + decay * this.updates)) * lrMultiplier);
  }

  #rho({ rho }: ReferenceGroup): number {
    return round(rho ?? this.#options.rho ?? this.#origin.rho);
  }

  #lambda({ spec, group }: Tensor): number {
    const excluded = this.#options.excludeFromWeightDecay?.some((pattern) => new RegExp(pattern).test(spec.name)) ?? false;
    return excluded ? 0 : round(group.weightDecay ?? this.#options.weightDecay ?? 0);
  }

  #tensor(name: string): Tensor {
    return this.#tensors.get(name) as Tensor;
  }

  #rows(): number {
    return [...this.#tensors.values()].reduce((sum, { spec }) => sum + spec.rows, 0);
  }

  #result(found: Partial<ReferenceResult>): ReferenceResult {
    const nothing = { gradientNorm: 0, updateNorm: 0, clipFactor: 1, rowsTouched: 0, skipped: false, updated: false };
    return { version: this.version, learningRate: this.#learningRate(), ...nothing, ...found };
  }
}
