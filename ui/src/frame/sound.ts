/** The alarm: an oscillator, allowed by the first click; of many tabs one sounds. */

const EVERY_MS = 10_000;
const LENGTH_S = 0.35;
const PITCHES_HZ = [880, 660];
const LOUDNESS = 0.2;

let context: AudioContext | null = null;
const waiting = new Set<() => void>();

function unlock(): void {
  context ??= new AudioContext();
  void context.resume().then(() => waiting.forEach((wake) => wake()));
}

window.addEventListener("pointerdown", unlock, { once: true });
window.addEventListener("keydown", unlock, { once: true });

/** Whether the browser lets us sound. */
export function canSound(): boolean {
  return context?.state === "running";
}

export function watchSound(wake: () => void): () => void {
  waiting.add(wake);
  return () => waiting.delete(wake);
}

function sound(): void {
  if (context?.state !== "running") {
    return;
  }
  const at = context.currentTime;
  PITCHES_HZ.forEach((pitch, n) => {
    if (context === null) {
      return;
    }
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    oscillator.frequency.value = pitch;
    gain.gain.value = LOUDNESS;
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(at + n * LENGTH_S);
    oscillator.stop(at + (n + 1) * LENGTH_S);
  });
}

/** Sound until the function that is returned is called, in whichever tab has the lock. */
export function startAlarm(): () => void {
  const stop = new AbortController();
  let timer: ReturnType<typeof setInterval> | undefined;
  navigator.locks
    .request("tightloop.alarm", { signal: stop.signal }, () => {
      sound();
      timer = setInterval(sound, EVERY_MS);
      return new Promise<void>((release) => stop.signal.addEventListener("abort", () => release()));
    })
    .catch(() => undefined); // stopped before it was this tab's turn
  return () => {
    stop.abort();
    clearInterval(timer);
  };
}
