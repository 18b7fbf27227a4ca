import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { readChatTemplate, renderChatTemplate } from '../../../runtime/checkpoint/chat-template.js';
import { TokenizerError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { temporaryDirectories } from '../../support/temp-dir.js';

const freshDir = temporaryDirectories('chat-template');

const TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' and not loop.first %}{{ raise_exception('system must come first') }}{% endif %}" +
  "[{{ message['role'] }}] {{ message['content'] | trim }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}";

function dirWith(config: unknown, jinja?: string): string {
  const dir = freshDir();
  writeFileSync(join(dir, 'tokenizer_config.json'), JSON.stringify(config));
  if (jinja !== undefined) writeFileSync(join(dir, 'chat_template.jinja'), jinja);
  return dir;
}

const messages = [
  { role: 'system', content: ' Be brief. ' },
  { role: 'user', content: 'Hello' },
];

describe('chat templates', () => {
  it('render messages with the special tokens', () => {
    const template = readChatTemplate(dirWith({ chat_template: TEMPLATE, bos_token: '<s>', eos_token: { content: '</s>', special: true } }));
    expect(renderChatTemplate(template, messages)).toBe('<s>[system] Be brief.</s>\n[user] Hello</s>\n[assistant] ');
    expect(renderChatTemplate(template, messages.slice(1), { addGenerationPrompt: false })).toBe('<s>[user] Hello</s>\n');
  });

  it('come from a file of their own, or from a list of named ones', () => {
    expect(renderChatTemplate(readChatTemplate(dirWith({ chat_template: 'old' }, 'new {{ bos_token }}')), messages)).toBe('new ');
    const list = [{ name: 'tool_use', template: 'tools' }, { name: 'default', template: '{{ messages[0].content }}{{ extra }}' }];
    expect(renderChatTemplate(readChatTemplate(dirWith({ chat_template: list })), messages, { variables: { extra: 7 } })).toBe(' Be brief. 7');
  });

  it('are refused when missing or malformed', () => {
    expect(() => readChatTemplate(join(packageRoot(), 'models/demo-llama-7m'))).toThrow(/no chat template.*is this a base model\?/);
    expect(() => readChatTemplate(freshDir())).toThrow(TokenizerError);
    expect(() => readChatTemplate(dirWith({ chat_template: 5 }))).toThrow(/chat_template is 5; expected a string/);
    expect(() => readChatTemplate(dirWith({ chat_template: [{ name: 'other', template: 'x' }] }))).toThrow(/entry named "default"/);
    expect(() => renderChatTemplate(readChatTemplate(dirWith({ chat_template: '{% for %}' })), messages)).toThrow(TokenizerError);
  });

  it('can refuse a conversation', () => {
    const template = readChatTemplate(dirWith({ chat_template: TEMPLATE, bos_token: '<s>', eos_token: '</s>' }));
    expect(() => renderChatTemplate(template, [...messages].reverse())).toThrow(/the chat template failed: system must come first/);
  });
});
