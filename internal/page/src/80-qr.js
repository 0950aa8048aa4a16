// QR codes (ISO/IEC 18004) of up to 230 bytes: versions 1 to 9, level L, mask 0.

// For each version: data codewords, error correction codewords of a block, blocks.
const qrVersions = [[19, 7, 1], [34, 10, 1], [55, 15, 1], [80, 20, 1], [108, 26, 1], [136, 18, 2], [156, 20, 2], [194, 24, 2], [232, 30, 2]];

function times(a, b) { // in GF(256)
  let out = 0;
  for (; b; b >>= 1, a = (a << 1) ^ (a & 128 ? 0x11d : 0)) if (b & 1) out ^= a;
  return out;
}

function correction(data, size) {
  let generator = [1];
  for (let i = 0, root = 1; i < size; i++, root = times(root, 2)) {
    generator = [...generator, 0].map((x, j) => x ^ (j ? times(generator[j - 1], root) : 0));
  }
  const rest = [...data, ...new Array(size).fill(0)];
  data.forEach((_, i) => {
    const lead = rest[i];
    generator.forEach((g, j) => { rest[i + j] ^= times(g, lead); });
  });
  return rest.slice(data.length);
}

function codewords(bytes, [total, size, blocks]) {
  const nibbles = [4, bytes.length >> 4, bytes.length & 15, ...[...bytes].flatMap((b) => [b >> 4, b & 15]), 0];
  const data = [];
  for (let i = 0; i < nibbles.length; i += 2) data.push((nibbles[i] << 4) | nibbles[i + 1]);
  for (let pad = 0xec; data.length < total; pad ^= 0xec ^ 0x11) data.push(pad);
  const per = total / blocks;
  const parts = Array.from({ length: blocks }, (_, i) => data.slice(i * per, (i + 1) * per));
  const checks = parts.map((p) => correction(p, size));
  const woven = (lists) => lists[0].flatMap((_, i) => lists.map((l) => l[i]));
  return [...woven(parts), ...woven(checks)];
}

// bch returns a value with its check bits behind it.
function bch(value, polynomial, bits) {
  let rest = value << bits;
  for (let i = 31 - Math.clz32(rest); i >= bits; i--) if ((rest >> i) & 1) rest ^= polynomial << (i - bits);
  return (value << bits) | rest;
}

// frame draws what does not depend on the data.
function frame(version) {
  const n = 17 + 4 * version;
  const grid = Array.from({ length: n }, () => new Array(n).fill(null));
  const put = (x, y, dark) => { if (grid[y]?.[x] !== undefined) grid[y][x] = dark ? 1 : 0; };
  const square = (cx, cy, radius, dark) => {
    for (let y = -radius; y <= radius; y++) for (let x = -radius; x <= radius; x++) put(cx + x, cy + y, dark(Math.max(Math.abs(x), Math.abs(y))));
  };
  for (let i = 0; i < n; i++) { put(6, i, i % 2 === 0); put(i, 6, i % 2 === 0); }
  for (const [x, y] of [[3, 3], [n - 4, 3], [3, n - 4]]) square(x, y, 4, (d) => d !== 2 && d !== 4);
  const centres = version === 1 ? [] : version < 7 ? [6, n - 7] : [6, n / 2 - 0.5, n - 7];
  for (const x of centres) for (const y of centres) {
    if (!(x === 6 && y === 6) && !(x === 6 && y === n - 7) && !(x === n - 7 && y === 6)) square(x, y, 2, (d) => d !== 1);
  }
  const format = bch(0b01000, 0x537, 10) ^ 0x5412; // level L, mask 0
  for (let i = 0; i < 15; i++) {
    const dark = (format >> i) & 1;
    put(8, i < 6 ? i : i < 8 ? i + 1 : n - 15 + i, dark);
    put(i < 8 ? n - 1 - i : i === 8 ? 7 : 14 - i, 8, dark);
  }
  put(8, n - 8, 1);
  for (let i = 0; version >= 7 && i < 18; i++) {
    const dark = (bch(version, 0x1f25, 12) >> i) & 1, a = Math.floor(i / 3), b = n - 11 + (i % 3);
    put(a, b, dark); put(b, a, dark);
  }
  return grid;
}

// qrCode returns rows of 0 and 1.
function qrCode(text) {
  const bytes = utf8(text);
  const version = qrVersions.findIndex(([total]) => bytes.length + 2 <= total) + 1;
  const all = codewords(bytes, qrVersions[version - 1]);
  const grid = frame(version), n = grid.length;
  let at = 0;
  for (let right = n - 1; right > 0; right -= 2) {
    if (right === 6) right = 5; // the timing pattern
    const upward = ((right + 1) & 2) === 0;
    for (let i = 0; i < n; i++) for (const x of [right, right - 1]) {
      const y = upward ? n - 1 - i : i;
      if (grid[y][x] !== null) continue;
      const bit = at < 8 * all.length ? (all[at >> 3] >> (7 - (at & 7))) & 1 : 0;
      grid[y][x] = bit ^ ((x + y) % 2 === 0 ? 1 : 0);
      at++;
    }
  }
  return grid;
}
