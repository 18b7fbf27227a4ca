/**
 * Finds stop texts in a stream of text pieces, wherever the piece boundaries fall. Text that could still become the start of a stop text is
 * held back until it cannot, so that a caller never sees a part of one.
 */
export interface StopFilter {
  /** Adds a piece. `text` may be shown now. After `stopped`, the rest of the stream is to be dropped. */
  push(piece: string): { readonly text: string; readonly stopped: boolean };
  /** The stream has ended: what was held back. */
  flush(): string;
}

export function createStopFilter(stops: readonly string[]): StopFilter {
  let held = '';
  return {
    push(piece) {
      held += piece;
      const at = earliest(held, stops);
      if (at >= 0) {
        const text = held.slice(0, at);
        held = '';
        return { text, stopped: true };
      }
      const keep = heldBack(held, stops);
      const text = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text, stopped: false };
    },
    flush() {
      const text = held;
      held = '';
      return text;
    },
  };
}

function earliest(text: string, stops: readonly string[]): number {
  let best = -1;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (best < 0 || at < best)) best = at;
  }
  return best;
}

/** Length of the longest suffix of `text` that some stop text begins with. */
function heldBack(text: string, stops: readonly string[]): number {
  let best = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > best; length--) {
      if (stop.startsWith(text.slice(text.length - length))) best = length;
    }
  }
  return best;
}
