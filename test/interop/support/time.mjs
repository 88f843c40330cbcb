// Waiting for events with a deadline. Nothing here sleeps.

/** Resolves as promise does, or rejects after ms with the name of what did not come. */
export async function within(promise, what, ms = 15_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** An unbounded queue of events between a callback and a test. */
export class Inbox {
  #items = [];
  #waiting = [];

  put(item) {
    const next = this.#waiting.shift();
    if (next) next(item);
    else this.#items.push(item);
  }

  /** The next event, in order of arrival. */
  next(what = 'an event', ms) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what, ms);
  }

  /** Takes all that has arrived. */
  drain() {
    return this.#items.splice(0);
  }
}
