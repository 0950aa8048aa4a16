// Both languages say the same, and nothing is said that is not used.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { durationText, say, speak } from '../src/lib/lang.js';
import { texts } from '../src/lib/texts.js';

const here = new URL('../src/', import.meta.url);
const sources = readdirSync(here, { recursive: true }).filter((f) => /\.jsx?$/.test(f) && !f.endsWith('texts.js')).map((f) => readFileSync(new URL(f, here), 'utf8')).join('\n');

const holes = (text) => [...new Set([...text.matchAll(/\{(\w+)/g)].map((m) => m[1]))].sort();

test('the languages have the same keys and the same values', () => {
  assert.deepEqual(Object.keys(texts.ja).sort(), Object.keys(texts.en).sort());
  for (const key of Object.keys(texts.en)) assert.deepEqual(holes(texts.ja[key]), holes(texts.en[key]), key);
});

test('Japanese is Japanese', () => {
  const foreign = Object.entries(texts.ja).filter(([key, text]) => !/[\u3040-\u30ff\u4e00-\u9fff]/.test(text) && key !== 'other');
  assert.deepEqual(foreign, []);
});

test('every text is used, and every text that is used is there', () => {
  const prefixes = [...sources.matchAll(/`([a-z]+(?:\.[a-z]+)*\.)\$\{/g)].map((m) => m[1]);
  const suffixed = (key) => prefixes.some((p) => key.startsWith(p));
  for (const key of Object.keys(texts.en)) assert.ok(sources.includes(`'${key}'`) || suffixed(key), `${key} is not used`);
  const used = [...sources.matchAll(/\bt\('([^']+)'/g), ...sources.matchAll(/key: '(state\.[^']+)'/g)].map((m) => m[1]);
  assert.ok(used.length > 100);
  for (const key of used) assert.ok(Object.hasOwn(texts.en, key), `${key} is not there`);
});

test('numbers choose their words', () => {
  speak('en');
  assert.equal(say('state.closed', { doors: 1 }), 'Everything is closed. 1 door is guarded.');
  assert.equal(say('state.closed', { doors: 1200 }), 'Everything is closed. 1,200 doors are guarded.');
  assert.equal(durationText(5400), '1 h 30 min');
  speak('ja');
  assert.equal(say('state.closed', { doors: 3 }), 'すべて閉じています。ドア 3 個を守っています。');
});
