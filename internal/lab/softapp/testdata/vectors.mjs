// Makes vectors.json with WebCrypto, from docs/app-protocol.md alone:
//
//	node internal/lab/softapp/testdata/vectors.mjs > internal/lab/softapp/testdata/vectors.json
const { subtle } = globalThis.crypto
const utf8 = new TextEncoder()
const b64u = bytes => Buffer.from(bytes).toString('base64url')
const bytes = (n, first) => Uint8Array.from({ length: n }, (_, i) => (first + i) & 255)
const join = (...parts) => Uint8Array.from(parts.flatMap(p => [...p]))

async function vector(passcode, first) {
  const salt = bytes(16, first), secret = bytes(32, first + 50), share = bytes(32, first + 100), iv = bytes(12, first + 150)
  const key = await subtle.importKey('raw', utf8.encode(passcode), 'PBKDF2', false, ['deriveBits'])
  const p = new Uint8Array(await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 310000 }, key, 256))
  const mac = await subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const verifier = await subtle.sign('HMAC', mac, join(utf8.encode('signum verifier'), p))
  const ikm = await subtle.importKey('raw', join(p, share), 'HKDF', false, ['deriveKey'])
  const kek = await subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8.encode('signum signing key') },
    ikm, { name: 'AES-GCM', length: 256 }, false, ['encrypt'])
  const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
  const pkcs8 = await subtle.exportKey('pkcs8', pair.privateKey)
  const wrapped = join(iv, new Uint8Array(await subtle.encrypt({ name: 'AES-GCM', iv }, kek, pkcs8)))
  return {
    passcode, salt: b64u(salt), secret: b64u(secret), share: b64u(share),
    p: b64u(p), verifier: b64u(verifier), public: b64u(await subtle.exportKey('spki', pair.publicKey)), wrapped: b64u(wrapped),
  }
}

const all = []
for (const [passcode, first] of [['123456', 0], ['Grüezi, 日本 🔑', 7], ['x', 200]]) all.push(await vector(passcode, first))
console.log(JSON.stringify(all, null, 1))
