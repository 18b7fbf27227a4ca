/**
 * Text from token ids as they come.
 *
 * The text of a token depends on its neighbours: a character may be spread over several tokens, and decoders drop a space at the very
 * beginning. So a window of recent ids is decoded again with each new one, and what was not said before is emitted. Bytes of an
 * unfinished character decode to one replacement character at the end (a maximal subpart, in Unicode's words); it is held back until the
 * next id completes it or shows that it stands. The window moves on only where its text is complete and not empty, so that every later
 * id is decoded with something in front of it.
 */
export interface StreamDecoder {
  /** The text that this id completes; may be empty. */
  push(id: number): string;
  /** What was held back, at the end of the stream. */
  flush(): string;
}

/** Ids kept in the window after it moves, so that the decoder sees how the text goes on. */
const OVERLAP = 4;
/** The window moves when it has this many ids: decoding again costs its length. */
const WINDOW = 16;
/** Bytes of the longest character in UTF-8, so ids that one can be spread over. */
const LONGEST_CHARACTER = 4;
/** Ids of the context that are decoded; more than any character or leading-space rule spans. */
const CONTEXT = 16;
const REPLACEMENT = '\uFFFD';

/**
 * @param decode text of a list of ids
 * @param context ids in front of the stream, not emitted
 */
export function createStreamDecoder(decode: (ids: readonly number[]) => string, context: readonly number[] = []): StreamDecoder {
  let window = context.slice(-CONTEXT);
  /** How much of the window's text has been emitted, in UTF-16 units. */
  let emitted = complete(decode(window)).length;

  const advance = (text: string): string => {
    const piece = text.slice(emitted);
    emitted = Math.max(emitted, text.length);
    return piece;
  };

  /** Drops ids from the front, cutting where the text falls apart exactly: no character across, at most a leading space lost behind. */
  const moveOn = (text: string): void => {
    for (let keep = OVERLAP; keep < OVERLAP + LONGEST_CHARACTER; keep++) {
      const tail = window.slice(-keep);
      const tailText = decode(tail);
      const headText = decode(window.slice(0, -keep));
      if (tailText === '' || (text !== headText + tailText && text !== `${headText} ${tailText}`)) continue;
      window = tail;
      emitted = tailText.length;
      return;
    }
  };

  return {
    push(id) {
      window.push(id);
      const text = decode(window);
      const piece = advance(complete(text));
      if (window.length >= WINDOW && emitted === text.length) moveOn(text);
      return piece;
    },
    flush: () => advance(decode(window)),
  };
}

/** The text without a replacement character at its end, which may yet become a character. */
function complete(text: string): string {
  return text.endsWith(REPLACEMENT) ? text.slice(0, -1) : text;
}
