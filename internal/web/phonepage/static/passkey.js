// Passkeys: WebAuthn credentials of this device, always with user verification.

import { b64u, random, unb64u, utf8 } from './bytes.js';
import { service } from './service.js';

const ES256 = -7;

export const possible = () => 'PublicKeyCredential' in window && Boolean(navigator.credentials);

// create creates a credential. It returns the id and public key in the form of the
// protocol.
export async function create(device) {
  const credential = await navigator.credentials.create({
    publicKey: {
      rp: { id: location.hostname, name: service },
      user: { id: utf8(device.id).slice(0, 64), name: device.msisdn, displayName: device.msisdn },
      challenge: random(32), // not verified: without attestation only the key counts
      pubKeyCredParams: [{ type: 'public-key', alg: ES256 }],
      authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
      excludeCredentials: device.passkeys.map((id) => ({ type: 'public-key', id: unb64u(id) })),
      attestation: 'none',
    },
  });
  const { response } = credential;
  if (response.getPublicKeyAlgorithm() !== ES256) throw new Error('the passkey has an unsupported algorithm');
  return { id: b64u(credential.rawId), public_key: b64u(response.getPublicKey()) };
}

// assert asks the person to confirm a challenge.
export async function assert(device, challenge) {
  const { rawId, response } = await navigator.credentials.get({
    publicKey: {
      challenge, rpId: location.hostname, userVerification: 'required',
      allowCredentials: device.passkeys.map((id) => ({ type: 'public-key', id: unb64u(id) })),
    },
  });
  return {
    id: b64u(rawId), authenticator_data: b64u(response.authenticatorData),
    client_data: b64u(response.clientDataJSON), signature: b64u(response.signature),
  };
}
