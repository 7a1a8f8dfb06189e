// SPDX-License-Identifier: Apache-2.0
// What one would write in Node: a child by fork, messages with advanced serialization, and zlib by hand.
//
//     fork.cjs W2 [rounds=5] [warm=1] [level=-1] data=FILE     compressed there and back
//     fork.cjs W5 [spawns=50]                                  from the fork to the first echo
'use strict';
const { fork } = require('node:child_process');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const zlib = require('node:zlib');

const [workload, ...rest] = process.argv.slice(2);
const settings = Object.fromEntries(rest.map((part) => part.split(/=(.*)/s)));
const number = (key, otherwise) => Number(settings[key] ?? otherwise);
const level = number('level', -1);

const pack = (bytes) => zlib.deflateSync(bytes, { level });
const peakMiB = (pid) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const quantile = (times, q) => times.sort((a, b) => a - b)[Math.round(q * (times.length - 1))];

function start() {
  return fork(__filename, ['child', ...rest], { serialization: 'advanced' });
}

async function exchange(child, message) {
  child.send(message);
  const [answer] = await once(child, 'message');
  return answer;
}

async function stop(child) {
  const peak = peakMiB(child.pid);
  child.disconnect();
  await once(child, 'exit');
  return peak;
}

function mustEqual(answer, message) {
  if (Buffer.compare(answer, message) !== 0) throw new Error('the echo differs');
}

async function echoes() {
  const message = Buffer.concat(Array(number('repeat', 1)).fill(readFileSync(settings.data)));
  const child = start();
  const times = [];
  for (let i = -number('warm', 1); i < number('rounds', 5); i++) {
    const began = performance.now();
    const answer = zlib.inflateSync(await exchange(child, pack(message)));
    const took = performance.now() - began;
    mustEqual(answer, message);
    if (i >= 0) times.push(took);
  }
  const median = quantile(times, 0.5);
  const metrics = { median_ms: median, min_ms: times[0], mb_per_s: (2 * message.length) / median / 1000 };
  return [metrics, await stop(child)];
}

async function spawns() {
  const message = Buffer.alloc(64, 'a');
  const times = [];
  let peak = 0;
  for (let i = 0; i < number('spawns', 50); i++) {
    const began = performance.now();
    const child = start();
    const answer = await exchange(child, message);
    times.push(performance.now() - began);
    mustEqual(answer, message);
    peak = await stop(child);
  }
  return [{ median_ms: quantile(times, 0.5), p90_ms: quantile(times, 0.9) }, peak];
}

async function main() {
  if (workload === 'child') {
    const isPacked = 'data' in settings;
    process.on('message', (bytes) => process.send(isPacked ? pack(zlib.inflateSync(bytes)) : bytes));
    return;
  }
  const measure = { W2: echoes, W5: spawns }[workload];
  if (!measure) {
    console.log(JSON.stringify({ ok: false, skip: true, error: `there is no workload '${workload}' here` }));
    return;
  }
  const [metrics, peak] = await measure();
  console.log(JSON.stringify({ ok: true, workload, metrics, rss_parent_mib: peakMiB('self'), rss_child_mib: peak }));
}

main();
