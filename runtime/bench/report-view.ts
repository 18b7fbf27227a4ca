/** A benchmark result as words, tables and bars: the one description that the Markdown and the HTML report are rendered from. */
import { bytesText, percent, significant, times, timesWithSpread, withSpread } from './format.js';
import { workersText } from './machine.js';
import { sensorText } from './sensors.js';
import type { BenchResult, DecodeResult } from './result.js';

export interface Table {
  readonly title: string;
  readonly note: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Bar {
  readonly label: string;
  readonly text: string;
  /** Length as a share of the longest possible bar, 0 to 1. */
  readonly share: number;
  /** Where a reference mark stands, 0 to 1, or null. */
  readonly mark: number | null;
}

export interface Chart {
  readonly title: string;
  readonly note: string;
  readonly bars: readonly Bar[];
}

export interface ReportView {
  readonly title: string;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  readonly headline: string;
  readonly charts: readonly Chart[];
  readonly tables: readonly Table[];
  readonly notes: readonly string[];
}

export function reportView(result: BenchResult): ReportView {
  const { model, device, roofs } = result;
  return {
    title: result.name,
    headline: headline(result),
    facts: [
      { name: 'model', value: `${model.name} (${model.weights === 'random' ? 'random weights' : 'checkpoint'}): ${model.layers} layers, hidden ${model.hidden}, intermediate ${model.intermediate}, ${model.dtype}, ${bytesText(model.weightBytes)}` },
      { name: 'device', value: `${device.name}, ${device.isa} kernels, ${workersText({ threads: device.threads, multiprocessors: device.gpu?.multiprocessors })}, last-level cache ${bytesText(device.cacheBytes)}` },
      ...gpuFacts(result),
      { name: 'kernels', value: originSummary(result) },
      { name: 'library', value: result.library ?? 'none: default kernels' },
      { name: 'workload', value: workload(result) },
      { name: 'read roof', value: `${bytesText(roofs.read.perSecond)}/s ± ${percent(roofs.read.spread)} (${roofs.read.how})` },
      { name: 'compute roof', value: `${significant(roofs.fma.perSecond / 1e9, 4)} GFLOP/s ± ${percent(roofs.fma.spread)} (${roofs.fma.how})` },
      { name: 'date', value: result.date },
    ],
    charts: charts(result),
    tables: [decodeTable(result), peerTable(result), prefillTable(result), ffTable(result), prefillStepsTable(result), ...profileTables(result), originTable(result)].filter((table) => table.rows.length > 0),
    notes: result.notes,
  };
}

function gpuFacts({ device: { gpu }, sensors }: BenchResult): { name: string; value: string }[] {
  if (gpu === null) return [];
  const bandwidth = gpu.theoreticalBandwidth > 0 ? `, memory ${bytesText(gpu.theoreticalBandwidth)}/s by clock and bus width` : '';
  const state = sensors === null ? null : sensorText(sensors);
  return [
    { name: 'GPU', value: `compute capability ${(gpu.capability / 10).toFixed(1)}, driver for CUDA ${Math.floor(gpu.driver / 1000)}.${Math.floor((gpu.driver % 1000) / 10)}${bandwidth}` },
    ...(state === null ? [] : [{ name: 'while measuring', value: state }]),
  ];
}

function workload({ settings }: BenchResult): string {
  const rounds = `${settings.rounds} interleaved rounds`;
  if (settings.newTokens === 0) return `one row of activations, ${rounds}`;
  return `${settings.promptTokens} prompt tokens, ${settings.newTokens} new tokens, mean context ${significant(settings.meanContext, 4)}, ${rounds}`;
}

function headline(result: BenchResult): string {
  const best = result.decode.filter((entry) => entry.speedup !== null).sort((a, b) => (b.speedup?.median ?? 0) - (a.speedup?.median ?? 0))[0];
  if (best !== undefined) {
    return `At density ${best.density} (${best.strategy}) a token takes ${significant(best.msPerToken.median, 4)} ms: ${times(best.speedup?.median ?? null)} the full model, where reading fewer bytes allows ${times(best.idealSpeedup)}.`;
  }
  const kernel = result.ffKernels[0];
  if (kernel !== undefined) return `The feed-forward kernels alone, on weights that are not in the cache, against the read roof of the same rounds.`;
  const dense = result.decode[0];
  return dense === undefined ? 'Roofs only.' : `A token takes ${significant(dense.msPerToken.median, 4)} ms, ${percent(dense.shareOfReadRoof)} of the read roof.`;
}

function originSummary(result: BenchResult): string {
  const counts = new Map<string, number>();
  for (const { origin } of result.kernels) {
    const kind = origin.split(/[ (:]/)[0] ?? origin;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ') || 'none';
}

function decodeName(entry: DecodeResult): string {
  return entry.strategy === 'dense' ? `density ${entry.density} (full model)` : `density ${entry.density}, ${entry.strategy}`;
}

function charts(result: BenchResult): Chart[] {
  const list: Chart[] = [];
  if (result.decode.length > 0) {
    const dense = result.decode.find((entry) => entry.strategy === 'dense');
    const ideal = (entry: DecodeResult): number | null => (dense === undefined || entry === dense ? null : dense.tokensPerSecond * entry.idealSpeedup);
    const longest = Math.max(...result.decode.flatMap((entry) => [entry.tokensPerSecond, ideal(entry) ?? 0]));
    list.push({
      title: 'Decode, tokens per second',
      note: 'The mark is the full model times the ideal speed-up.',
      bars: result.decode.map((entry) => {
        const target = ideal(entry);
        return { label: decodeName(entry), text: significant(entry.tokensPerSecond, 4), share: entry.tokensPerSecond / longest, mark: target === null ? null : target / longest };
      }),
    });
  }
  const shares = [
    ...result.decode.map((entry) => ({ label: decodeName(entry), share: entry.shareOfReadRoof })),
    ...result.ffKernels.map((entry) => ({ label: `${entry.operation}, ${entry.variant}`, share: entry.shareOfReadRoof.median })),
  ];
  const top = Math.max(1, ...shares.map((entry) => entry.share));
  if (shares.length > 0) {
    list.push({
      title: 'Share of the read roof',
      note: 'The mark is the roof: what the same threads read from a buffer far larger than the cache.',
      bars: shares.map(({ label, share }) => ({ label, text: percent(share), share: share / top, mark: 1 / top })),
    });
  }
  return list;
}

function decodeTable(result: BenchResult): Table {
  const sheet = result.decode.some((entry) => entry.shareOfDataSheet !== null);
  return {
    title: 'Decode',
    note: 'Device time per token, median ± median absolute deviation over the rounds. Bytes are the weights used plus the KV cache. Speed-ups are taken round by round.',
    columns: ['', 'tokens/s', 'ms/token', 'MB/token', 'GB/s', 'of the read roof', ...(sheet ? ['of the data sheet'] : []), 'speed-up', 'ideal S', 'of ideal', 'host adds'],
    rows: result.decode.map((entry) => [
      decodeName(entry),
      significant(entry.tokensPerSecond, 4),
      withSpread(entry.msPerToken),
      significant(entry.bytesPerToken / 1e6, 4),
      significant(entry.bytesPerSecond / 1e9, 3),
      percent(entry.shareOfReadRoof),
      ...(sheet ? [percent(entry.shareOfDataSheet)] : []),
      timesWithSpread(entry.speedup),
      times(entry.idealSpeedup),
      percent(entry.speedup === null ? null : entry.speedup.median / entry.idealSpeedup),
      percent(entry.wallOverDevice - 1),
    ]),
  };
}

/** Ours in the same table, so that nobody has to look for the number to compare with. */
function peerTable(result: BenchResult): Table {
  const ours = result.decode.map((entry) => [`griffin-kernels: ${decodeName(entry)}`, significant(entry.msPerToken.median, 4), '1.00×', result.prefill === null ? '–' : significant(result.prefill.ms.median, 4), entry.strategy === 'dense' || (result.prefill?.selectMs ?? null) === null ? '–' : significant(result.prefill?.selectMs ?? 0, 3), '–']);
  const peers = result.peers.map((peer) => {
    const same = bestAt(result, peer.density);
    return [peer.name, significant(peer.msPerToken, 4), same === null ? '–' : times(peer.msPerToken / same), peer.prefillMs === null ? '–' : significant(peer.prefillMs, 4), peer.selectMs === null ? '–' : significant(peer.selectMs, 3), peer.memoryBytes === null ? '–' : bytesText(peer.memoryBytes)];
  });
  return {
    title: 'Beside others, in the same session on the same device',
    note: 'Whole tokens at batch 1, output head included; “over ours” is their time over our best at the same density.',
    columns: ['', 'ms/token', 'over ours', 'prompt, ms', 'selection, ms', 'memory'],
    rows: peers.length === 0 ? [] : [...ours, ...peers],
  };
}

function bestAt(result: BenchResult, density: number): number | null {
  const times = result.decode.filter((entry) => entry.density === density).map((entry) => entry.msPerToken.median);
  return times.length === 0 ? null : Math.min(...times);
}

function prefillTable({ prefill }: BenchResult): Table {
  return {
    title: 'Prefill',
    note: 'The full model over the prompt, with GRIFFIN’s statistic. The matrix products’ share comes from a profile with a clock around every step.',
    columns: ['prompt tokens', 'ms', 'tokens/s', 'GFLOP/s', 'of the compute roof', 'products alone', 'statistic + selection', 'selection, ms'],
    rows:
      prefill === null
        ? []
        : [
            [
              String(prefill.promptTokens),
              withSpread(prefill.ms),
              significant(prefill.tokensPerSecond, 4),
              significant(prefill.flops / prefill.ms.median / 1e6, 4),
              percent(prefill.shareOfFmaRoof),
              percent(prefill.gemmShareOfFmaRoof),
              percent(prefill.statisticShare, 2),
              prefill.selectMs === null ? '–' : significant(prefill.selectMs, 3),
            ],
          ],
  };
}

function ffTable(result: BenchResult): Table {
  return {
    title: 'Feed-forward kernels alone, cold weights',
    note: 'One row of activations; every call reads weights that the caches no longer hold. Shares and ratios are taken within each round.',
    columns: ['', 'k', 'µs', 'MB', 'GB/s', 'of the read roof', 'over compacted', 'origin', 'kernel'],
    rows: result.ffKernels.map((entry) => [
      `${entry.operation}, ${entry.variant}`,
      String(entry.k),
      withSpread(entry.us),
      significant(entry.bytes / 1e6, 4),
      significant(entry.bytesPerSecond / 1e9, 3),
      `${percent(entry.shareOfReadRoof.median)} ± ${percent(entry.shareOfReadRoof.mad)}`,
      entry.overCompact === null ? '–' : `${entry.overCompact.median.toFixed(3)} ± ${entry.overCompact.mad.toFixed(3)}`,
      entry.origin,
      entry.kernel,
    ]),
  };
}

function prefillStepsTable({ prefill }: BenchResult): Table {
  return {
    title: "Where a prompt chunk's time goes",
    note: 'One chunk with a clock around every step, the median of several.',
    columns: ['operation', 'calls', 'µs', 'of the chunk', 'of the compute roof', 'kernel'],
    rows: (prefill?.steps ?? []).map((step) => [
      step.operation,
      String(step.calls),
      significant(step.usPerChunk, 4),
      percent(step.shareOfChunk),
      percent(step.shareOfFmaRoof),
      step.kernel,
    ]),
  };
}

function profileTables(result: BenchResult): Table[] {
  return result.profiles.map((profile) => ({
    title: `Where a token's time goes, density ${profile.density}${profile.strategy === 'dense' ? '' : `, ${profile.strategy}`}`,
    note: 'One token with a clock around every step, the median of several; the clocks add a little to each.',
    columns: ['operation', 'calls', 'µs', 'of the token', 'MB', 'of the read roof', 'kernel'],
    rows: profile.steps.map((step) => [
      step.operation,
      String(step.callsPerToken),
      significant(step.usPerToken, 4),
      percent(step.shareOfToken),
      step.bytesPerToken === null ? '–' : significant(step.bytesPerToken / 1e6, 3),
      percent(step.shareOfReadRoof),
      step.kernel,
    ]),
  }));
}

function originTable(result: BenchResult): Table {
  return {
    title: 'Kernels',
    note: 'winner: tuned on this device for this problem; nearest: tuned for a neighbouring shape; default: nothing was tuned.',
    columns: ['for', 'origin', 'kernel'],
    rows: result.kernels.map(({ use, kernel, origin }) => [use, origin, kernel]),
  };
}
