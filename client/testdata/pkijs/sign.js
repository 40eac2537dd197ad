// Signs the file content in the forms that applications of pkijs make. Each argument
// is a directory with content, leaf.pem, leaf.key and chain.pem; the signatures
// are written beside them.
import { readFileSync, writeFileSync } from 'node:fs';
import { webcrypto } from 'node:crypto';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';

pkijs.setEngine('node', new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto, subtle: webcrypto.subtle }));

const bytes = (buffer) => new Uint8Array(buffer);
const pem = (file) => readFileSync(file, 'utf8').split('-----END')
	.map((block) => block.split(/-----BEGIN [A-Z0-9 ]+-----/)[1])
	.filter(Boolean)
	.map((base64) => bytes(Buffer.from(base64, 'base64')).buffer);

async function sign(dir, name, { algorithm, hash = 'SHA-256', detached, time = true, cut }) {
	const content = bytes(readFileSync(`${dir}/content`)).buffer;
	const certificates = [...pem(`${dir}/leaf.pem`), ...pem(`${dir}/chain.pem`)].map((der) => pkijs.Certificate.fromBER(der));
	const key = await webcrypto.subtle.importKey('pkcs8', pem(`${dir}/leaf.key`)[0], { ...algorithm, hash }, false, ['sign']);
	const digest = await webcrypto.subtle.digest(hash, content);
	const attributes = [
		new pkijs.Attribute({ type: '1.2.840.113549.1.9.3', values: [new asn1js.ObjectIdentifier({ value: '1.2.840.113549.1.7.1' })] }),
		new pkijs.Attribute({ type: '1.2.840.113549.1.9.4', values: [new asn1js.OctetString({ valueHex: digest })] }),
	];
	if (time) {
		attributes.push(new pkijs.Attribute({ type: '1.2.840.113549.1.9.5', values: [new asn1js.UTCTime({ valueDate: new Date('2026-03-14T15:09:26Z') })] }));
	}
	const signed = new pkijs.SignedData({
		version: 1,
		encapContentInfo: new pkijs.EncapsulatedContentInfo({ eContentType: pkijs.ContentInfo.DATA }),
		signerInfos: [new pkijs.SignerInfo({
			version: 1,
			sid: new pkijs.IssuerAndSerialNumber({ issuer: certificates[0].issuer, serialNumber: certificates[0].serialNumber }),
			signedAttrs: new pkijs.SignedAndUnsignedAttributes({ type: 0, attributes }),
		})],
		certificates,
	});
	if (!detached) {
		// pkijs writes the content as an OCTET STRING in parts, unless it is told not to.
		signed.encapContentInfo = new pkijs.EncapsulatedContentInfo({
			eContentType: pkijs.ContentInfo.DATA, eContent: new asn1js.OctetString({ valueHex: content }),
		});
	}
	await signed.sign(key, 0, hash, content);
	if (!detached && cut) {
		const half = content.byteLength >> 1;
		signed.encapContentInfo.eContent = new asn1js.OctetString({
			idBlock: { isConstructed: true }, isConstructed: true,
			value: [content.slice(0, half), content.slice(half)].map((valueHex) => new asn1js.OctetString({ valueHex })),
		});
	}
	const info = new pkijs.ContentInfo({ contentType: pkijs.ContentInfo.SIGNED_DATA, content: signed.toSchema(true) });
	writeFileSync(`${dir}/${name}.p7`, bytes(info.toSchema().toBER(false)));
}

for (const dir of process.argv.slice(2)) {
	const rsa = readFileSync(`${dir}/leaf.key`, 'utf8').length > 500;
	const algorithms = rsa
		? { 'RSASSA-PKCS1-v1_5': { name: 'RSASSA-PKCS1-v1_5' }, 'RSA-PSS': { name: 'RSA-PSS' } }
		: { ECDSA: { name: 'ECDSA', namedCurve: 'P-256' } };
	for (const [name, algorithm] of Object.entries(algorithms)) {
		for (const hash of ['SHA-256', 'SHA-384', 'SHA-512']) await sign(dir, `${name}-${hash}`, { algorithm, hash });
		await sign(dir, `${name}-parts`, { algorithm, cut: true });
		await sign(dir, `${name}-no-time`, { algorithm, time: false });
	}
	await sign(dir, 'detached', { algorithm: Object.values(algorithms)[0], detached: true });
}
