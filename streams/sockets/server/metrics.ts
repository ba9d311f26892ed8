// GET /metrics: a server's figures in the text format of Prometheus.
import type { Registry } from 'prom-client';
import { type Figure, figures, type MetricsContext } from './figures.ts';

type Client = typeof import('prom-client');

/** The figures of one server, in a registry of their own; prom-client is loaded when somebody asks first. */
export class Metrics {
  readonly #context: MetricsContext;
  #registry: Promise<Registry> | undefined;

  constructor(context: MetricsContext) {
    this.#context = context;
  }

  /** The figures as they are now. */
  async show(): Promise<{ readonly text: string; readonly contentType: string }> {
    this.#registry ??= import('prom-client').then((client) => registryOf(client, this.#context));
    const registry = await this.#registry;
    return { text: await registry.metrics(), contentType: registry.contentType };
  }
}

function registryOf(client: Client, context: MetricsContext): Registry {
  const registry = new client.Registry();
  for (const figure of figures) register(client, registry, figure, context);
  return registry;
}

/** A figure is read when somebody asks, so that nothing is counted twice. */
function register(client: Client, registry: Registry, { kind, name, help, label, read }: Figure, context: MetricsContext): void {
  new client[kind === 'counter' ? 'Counter' : 'Gauge']({
    name: `gradwire_${name}`,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [registry],
    collect() {
      this.reset();
      const value = read(context);
      if (typeof value === 'number') this.inc(value);
      else for (const [of, each] of value) this.inc({ [label ?? '']: of }, each);
    },
  });
}
