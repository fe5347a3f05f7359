// Loads data for a page and keeps it: what is shown stays until the next answer is there, so nothing flickers.
import { useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> { data?: T; error?: string; again: () => void }

// Calls `load` when `key` changes, and every `period_ms` while the page is visible.
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, period_ms = 0): Loaded<T> {
  const [state, setState] = useState<{ data?: T; error?: string }>({});
  const [turn, setTurn] = useState(0);
  const current = useRef(load);
  current.current = load;
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const run = async () => {
      try {
        const data = await current.current(abort.signal);
        if (!abort.signal.aborted) setState({ data });
      } catch (error) {
        if (!abort.signal.aborted) setState((before) => ({ ...before, error: (error as Error).message }));
      }
      if (period_ms && !abort.signal.aborted) timer = window.setTimeout(() => (document.hidden ? wait() : void run()), period_ms);
    };
    const wait = () => document.addEventListener("visibilitychange", () => void run(), { once: true, signal: abort.signal });
    void run();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [key, turn]);
  return { ...state, again: () => setTurn((n) => n + 1) };
}
