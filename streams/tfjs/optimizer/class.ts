// The class of the optimizer, made from the `tf.Optimizer` of each TF.js that asks for one, once.
import type { TensorFlow, TfOptimizer } from '../tensorflow.ts';
import { Core } from './core.ts';
import { optionsOf, type TfRMSpropOptions } from './options.ts';

type OptimizerClass = new (options?: TfRMSpropOptions) => TfOptimizer;

const classes = new WeakMap<TensorFlow, OptimizerClass>();

// TF.js' optimizer is the base, so what is ours stands behind it
const core: unique symbol = Symbol('core');

/** The class for a TF.js, registered there under its name. */
export function optimizerClass(tf: TensorFlow): OptimizerClass {
  const known = classes.get(tf);
  if (known !== undefined) return known;
  const made = makeClass(tf);
  for (const [name, { get, value }] of Object.entries(Object.getOwnPropertyDescriptors(Core.prototype))) {
    if (name !== 'constructor')
      Object.defineProperty(made.prototype, name, { configurable: true, ...forwarded(name, get, value) });
  }
  tf.serialization.registerClass(made);
  classes.set(tf, made);
  return made;
}

interface WithCore {
  readonly [core]: Core;
}

/** A property of the class that does what the core's does. */
function forwarded(name: string, get: (() => unknown) | undefined, value: unknown): PropertyDescriptor {
  if (get !== undefined) {
    return {
      get(this: WithCore): unknown {
        return Reflect.get(this[core], name);
      },
    };
  }
  const method = value as (...given: unknown[]) => unknown;
  return {
    writable: true,
    value(this: WithCore, ...given: unknown[]): unknown {
      return method.apply(this[core], given);
    },
  };
}

function makeClass(tf: TensorFlow): OptimizerClass {
  // TF.js finds a saved optimizer's class by its name, and makes it by fromConfig(class, config)
  return class GradwireRMSprop extends tf.Optimizer implements WithCore {
    static readonly className: string = 'GradwireRMSprop';
    readonly [core]: Core;
    readonly updates$: Core['updates$'];

    constructor(options?: TfRMSpropOptions) {
      super();
      this[core] = new Core(tf, options);
      this.updates$ = this[core].updates$;
    }

    static fromConfig(first: unknown, second?: unknown): TfOptimizer {
      const { customObjects: _beside, ...config } = ((typeof first === 'function' ? second : first) ?? {}) as Record<
        string,
        unknown
      >;
      return new (optimizerClass(tf))(optionsOf(config));
    }

    getClassName(): string {
      return GradwireRMSprop.className;
    }

    fromConfig(config: object): TfOptimizer {
      return GradwireRMSprop.fromConfig(config);
    }
  };
}
