/** The last value of each key. A change wakes those who show that key, once for each frame that is painted. */

export interface LiveValue {
  /** A decimal as text; null while it is not known. */
  readonly value: string | null;
  /** When it was true by the server's clock, milliseconds since 1970; null when never. */
  readonly atMs: number | null;
  /** How often its source tells a new one, in milliseconds. */
  readonly cadenceMs: number;
}

type Schedule = (flush: () => void) => void;

export class LiveStore {
  private readonly values = new Map<string, LiveValue>();
  private readonly waiting = new Map<string, Set<() => void>>();
  private readonly changed = new Set<string>();
  private isScheduled = false;

  constructor(private readonly schedule: Schedule) {}

  get(key: string): LiveValue | undefined {
    return this.values.get(key);
  }

  put(key: string, value: LiveValue): void {
    this.values.set(key, value);
    if (this.waiting.has(key)) {
      this.changed.add(key);
      this.arrange();
    }
  }

  /** Forget every key, as when the user leaves. */
  clear(): void {
    this.values.clear();
    this.waiting.forEach((_, key) => this.changed.add(key));
    this.arrange();
  }

  subscribe(key: string, wake: () => void): () => void {
    const waiting = this.waiting.get(key) ?? new Set();
    this.waiting.set(key, waiting.add(wake));
    return () => {
      waiting.delete(wake);
      if (waiting.size === 0) {
        this.waiting.delete(key);
      }
    };
  }

  private arrange(): void {
    if (!this.isScheduled) {
      this.isScheduled = true;
      this.schedule(() => this.flush());
    }
  }

  private flush(): void {
    this.isScheduled = false;
    const keys = [...this.changed];
    this.changed.clear();
    keys.forEach((key) => this.waiting.get(key)?.forEach((wake) => wake()));
  }
}
