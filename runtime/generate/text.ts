import type { TextTokenizer } from '../checkpoint/tokenizer.js';
import type { Engine } from '../model/engine.js';
import { runTokens, type FinishReason, type RunReport, type RunRequest } from './run.js';
import { createStopFilter } from './stop.js';

/** What one generated token adds. */
export interface Piece {
  /** Text that may be shown now. Empty while a character or a possible stop text is incomplete, and without a tokenizer. */
  readonly text: string;
  readonly tokenId: number;
  /** 0 for the first generated token. */
  readonly index: number;
}

/** Token ids turned into text as they come. Returns why it ended. The end-of-sequence token is a piece without text. */
export async function* streamPieces(engine: Engine, request: RunRequest, tokenizer: TextTokenizer | null, report: RunReport): AsyncGenerator<Piece, FinishReason> {
  const decoder = tokenizer?.stream({ context: request.promptIds }) ?? null;
  const filter = createStopFilter(request.options.stop);
  let index = 0;
  for await (const { tokenId, finish } of runTokens(engine, request, report)) {
    let text = '';
    let reason: FinishReason | null = finish;
    if (decoder !== null) {
      let decoded = finish === 'eos' ? '' : decoder.push(tokenId);
      if (finish !== null) decoded += decoder.flush();
      const filtered = filter.push(decoded);
      text = filtered.text;
      if (filtered.stopped) reason = 'stop';
      else if (finish !== null) text += filter.flush();
    }
    yield { text, tokenId, index };
    if (reason !== null) return reason;
    index++;
  }
  return 'aborted';
}
