// A value many can listen to, as an Observable; where it has a present value, that comes first.
import { Observable, type Subscriber } from 'rxjs';

/** Hot: `next` reaches those who are subscribed now. Who comes after the end is told only of the end. */
export class Emitter<Value> {
  readonly values$: Observable<Value>;
  #subscribers: readonly Subscriber<Value>[] = [];
  #end: ((subscriber: Subscriber<Value>) => void) | undefined;

  /** `present` gives what a new subscriber is told first; undefined where there is nothing. */
  constructor(present: () => Value | undefined = () => undefined) {
    this.values$ = new Observable((subscriber) => {
      if (this.#end !== undefined) return this.#end(subscriber);
      this.#subscribers = [...this.#subscribers, subscriber];
      subscriber.add(() => (this.#subscribers = this.#subscribers.filter((each) => each !== subscriber)));
      const value = present();
      if (value !== undefined) subscriber.next(value);
    });
  }

  next(value: Value): void {
    // who unsubscribes or comes in the midst changes the list, not this one
    for (const subscriber of this.#subscribers) subscriber.next(value);
  }

  complete(): void {
    this.#finish((subscriber) => subscriber.complete());
  }

  error(error: Error): void {
    this.#finish((subscriber) => subscriber.error(error));
  }

  #finish(end: (subscriber: Subscriber<Value>) => void): void {
    this.#end ??= end;
    for (const subscriber of this.#subscribers) end(subscriber);
  }
}
