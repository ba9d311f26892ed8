// Stryker's runner for uvu: a process loads the test files once, and runs those that reach a mutant again for each of them.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CoverageData, INSTRUMENTER_CONSTANTS, type MutantCoverage, type StrykerOptions } from '@stryker-mutator/api/core';
import { commonTokens, declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import {
  type DryRunOptions,
  type DryRunResult,
  DryRunStatus,
  determineHitLimitReached,
  type MutantRunOptions,
  type MutantRunResult,
  type TestResult,
  type TestRunner,
  type TestRunnerCapabilities,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import fc from 'fast-check';

/** What the instrumented sources read and write. */
interface Instrumented {
  activeMutant?: string;
  currentTestId?: string;
  hitCount?: number;
  hitLimit?: number;
  mutantCoverage?: MutantCoverage;
}

/** What the configuration says under `uvu`. */
interface Settings {
  /** Test files, the quickest to find a mutant first. */
  readonly files: readonly string[];
  /** Environment variables that make the tests short. */
  readonly env: Readonly<Record<string, string>>;
}

/** A suite of uvu's: its failures as text, or true. */
type Suite = () => Promise<[failures: string | true, passed: number, skipped: number, total: number]>;

interface UvuGlobals {
  UVU_DEFER: number;
  UVU_INDEX: number;
  UVU_QUEUE: [file: string, ...Suite[]][];
}

const uvu = globalThis as unknown as UvuGlobals;

/** Runs the files that the configuration lists under `uvu`, in that order, up to the first that fails. A file is one test to Stryker. */
class UvuRunner implements TestRunner {
  static readonly inject: [typeof commonTokens.options] = [commonTokens.options];
  readonly #settings: Settings;
  readonly #instrumented: Instrumented;
  #isLoaded = false;
  #hasFailed = false;

  constructor(options: StrykerOptions) {
    this.#settings = (options as unknown as { uvu: Settings }).uvu;
    const names = globalThis as unknown as Record<string, Instrumented>;
    this.#instrumented = names[INSTRUMENTER_CONSTANTS.NAMESPACE] ??= {};
  }

  /** Modules are loaded once for a process: Stryker starts a new one for a mutant of what runs while they load. */
  capabilities(): TestRunnerCapabilities {
    return { reloadEnvironment: false };
  }

  async dryRun(_: DryRunOptions): Promise<DryRunResult> {
    await this.#load();
    const result = await this.#run(this.#settings.files, true);
    return { ...result, mutantCoverage: this.#instrumented.mutantCoverage };
  }

  async mutantRun({ activeMutant, hitLimit: given, mutantActivation, testFilter }: MutantRunOptions): Promise<MutantRunResult> {
    const instrumented = this.#instrumented;
    // counting again what is known takes most of the time
    instrumented.mutantCoverage ??= { static: [] as unknown as CoverageData, perTest: {} };
    // Stryker takes a hundred times what the tests need for an endless loop: five times is enough, and quicker
    const hitLimit = given === undefined ? undefined : given / 20;
    instrumented.hitLimit = hitLimit;
    instrumented.hitCount = hitLimit === undefined ? undefined : 0;
    if (mutantActivation === 'static') instrumented.activeMutant = activeMutant.id;
    await this.#load();
    instrumented.activeMutant = activeMutant.id;
    const result = await this.#run(testFilter ?? this.#settings.files, false);
    return toMutantRunResult(determineHitLimitReached(instrumented.hitCount, hitLimit) ?? result);
  }

  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    Object.assign(process.env, this.#settings.env);
    // a failure is enough: no search for the smallest one
    fc.configureGlobal({ endOnFailure: true, seed: 1 });
    Object.assign(uvu, { UVU_DEFER: 1, UVU_QUEUE: [] });
    const { test } = await import('uvu');
    // uvu goes on after a failure, and says it in its output alone
    process.stdout.write = (text) => {
      this.#hasFailed ||= String(text).includes('✘');
      return true;
    };
    for (const [i, file] of this.#settings.files.entries()) {
      uvu.UVU_INDEX = i;
      uvu.UVU_QUEUE.push([file]);
      test.before.each(() => {
        if (this.#hasFailed) throw new Error('left out after a failure');
      });
      await import(pathToFileURL(resolve(file)).href);
    }
  }

  async #run(chosen: readonly string[], isDry: boolean): Promise<{ status: DryRunStatus.Complete; tests: TestResult[] }> {
    const tests: TestResult[] = [];
    for (const [file, ...suites] of uvu.UVU_QUEUE) {
      if (!chosen.includes(file)) continue;
      if (isDry) this.#instrumented.currentTestId = file;
      const start = performance.now();
      const failures: string[] = [];
      this.#hasFailed = false;
      for (const suite of suites) {
        const [failed] = await suite();
        if (failed !== true) failures.push(failed);
      }
      this.#instrumented.currentTestId = undefined;
      const result = { id: file, name: file, timeSpentMs: performance.now() - start };
      if (failures.length === 0) tests.push({ ...result, status: TestStatus.Success });
      else tests.push({ ...result, status: TestStatus.Failed, failureMessage: failures.join('\n').slice(0, 1000) });
      if (failures.length > 0 && !isDry) break;
    }
    return { status: DryRunStatus.Complete, tests };
  }
}

export const strykerPlugins: unknown[] = [declareClassPlugin(PluginKind.TestRunner, 'uvu', UvuRunner)];

const files = { type: 'array', items: { type: 'string' } };
const env = { type: 'object', additionalProperties: { type: 'string' } };

/** What the configuration may say under `uvu`. */
export const strykerValidationSchema: object = {
  properties: { uvu: { type: 'object', properties: { files, env }, required: ['files', 'env'], additionalProperties: false } },
};
