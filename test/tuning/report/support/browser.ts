/** A real browser, driven through the DevTools protocol over a pipe: no driver package, no port. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** Path of Chromium or Chrome: $CHROME_PATH, else what is on the path; null where there is none. */
export function findBrowser(): string | null {
  const given = process.env['CHROME_PATH'];
  if (given !== undefined && given !== '') return existsSync(given) ? given : null;
  for (const name of ['chromium', 'google-chrome', 'chromium-browser', 'google-chrome-stable']) {
    const { status, stdout } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return null;
}

export interface Page {
  /** Errors and warnings of the console, uncaught exceptions. */
  readonly problems: string[];
  /** Addresses that were asked for, the page itself included. */
  readonly requests: string[];
  /** The value of an expression, as JSON. Rejects with what it throws. */
  evaluate<T>(expression: string): Promise<T>;
  emulate(media: { readonly type?: 'screen' | 'print'; readonly colours?: 'light' | 'dark'; readonly width?: number }): Promise<void>;
  /** A PNG of a part of the page. */
  screenshot(clip: { readonly x: number; readonly y: number; readonly width: number; readonly height: number }): Promise<Buffer>;
  pdf(): Promise<Buffer>;
}

export interface Browser {
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly sessionId?: string;
}

export async function startBrowser(path: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'griffin-browser-'));
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run', '--disable-background-networking', '--disable-dev-shm-usage', '--remote-debugging-pipe', `--user-data-dir=${profile}`];
  // A group of its own, so that no helper process outlives it.
  const child: ChildProcess = spawn(path, [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true });
  const input = child.stdio[3] as Writable;
  const output = child.stdio[4] as Readable;
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const listeners = new Map<string, (message: Message) => void>();
  let nextId = 1;
  let rest = '';
  output.setEncoding('utf8');
  output.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\0');
    rest = parts.pop() ?? '';
    for (const part of parts) receive(JSON.parse(part) as Message);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('exit', (code) => waiting.forEach(({ reject }) => reject(new Error(`${path} ended (exit code ${code})`))));
  child.once('error', (error) => waiting.forEach(({ reject }) => reject(error)));
  input.on('error', () => undefined); // said by the exit

  function receive(message: Message): void {
    if (message.id === undefined) {
      listeners.get(message.sessionId ?? '')?.(message);
      return;
    }
    const asked = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) asked?.resolve(message.result);
    else asked?.reject(new Error(message.error.message));
  }

  function send<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = nextId++;
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      input.write(`${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`);
    });
  }

  async function open(url: string): Promise<Page> {
    const { targetId } = await send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
    const ask = <T>(method: string, params: object = {}): Promise<T> => send<T>(method, params, sessionId);
    const problems: string[] = [];
    const requests: string[] = [];
    let loaded: () => void = () => undefined;
    const whenLoaded = new Promise<void>((resolve) => (loaded = resolve));
    listeners.set(sessionId, ({ method, params }) => {
      if (method === 'Page.loadEventFired') loaded();
      if (method === 'Network.requestWillBeSent') requests.push((params as { request: { url: string } }).request.url);
      if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded') problems.push(JSON.stringify(params));
      if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes((params as { type: string }).type)) problems.push(JSON.stringify(params));
    });
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await ask(`${domain}.enable`);
    const page: Page = {
      problems,
      requests,
      async evaluate<T>(expression: string): Promise<T> {
        const { result, exceptionDetails } = await ask<{ result: { value: T }; exceptionDetails?: { exception?: { description?: string }; text: string } }>('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
        if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
      },
      async emulate({ type = 'screen', colours = 'light', width = 1180 }) {
        await ask('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: false });
        await ask('Emulation.setEmulatedMedia', { media: type, features: [{ name: 'prefers-color-scheme', value: colours }] });
      },
      async screenshot(clip) {
        const { data } = await ask<{ data: string }>('Page.captureScreenshot', { format: 'png', clip: { ...clip, scale: 1 }, captureBeyondViewport: true });
        return Buffer.from(data, 'base64');
      },
      async pdf() {
        const { data } = await ask<{ data: string }>('Page.printToPDF', { printBackground: false, preferCSSPageSize: true });
        return Buffer.from(data, 'base64');
      },
    };
    await page.emulate({});
    await ask('Page.navigate', { url });
    await whenLoaded;
    return page;
  }

  return {
    open,
    async close() {
      await send('Browser.close').catch(() => undefined);
      const killed = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), 3000);
      await ended;
      clearTimeout(killed);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
