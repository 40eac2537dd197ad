// Signs, asks for receipts and profiles with the client that openapi-generator makes of
// the served document. fetch of Node.js has no client certificates, so requests go
// through node:https.

import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { randomUUID } from "node:crypto";
import * as mobileid from "./mobileid";

const MID = "http://mid.swisscom.ch/";

function env(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const box = env("SIGNUM_DIR");
const sim = env("SIGNUM_SIM");
const app = env("SIGNUM_APP");

const agent = new Agent({
  keepAlive: true,
  ca: readFileSync(`${box}/server-ca.pem`),
  cert: readFileSync(`${box}/ap.crt`),
  key: readFileSync(`${box}/ap.key`),
});

function fetchApi(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      String(input),
      { agent, method: init?.method, headers: init?.headers as Record<string, string> },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve(new Response(Buffer.concat(chunks).toString(), { status: incoming.statusCode })),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(init?.body as string);
  });
}

const configuration = new mobileid.Configuration({ basePath: env("SIGNUM_URL"), fetchApi });
const signatures = new mobileid.SignatureApi(configuration);
const receipts = new mobileid.ReceiptApi(configuration);
const profiles = new mobileid.ProfileApi(configuration);

function say(name: string, value: unknown): void {
  console.log(`${name}=${value}`);
}

function told(status: { StatusCode: { Value: string }; StatusMessage: string }): string {
  return `${status.StatusCode.Value} ${status.StatusMessage}`;
}

function must<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error("a member is missing");
  return value;
}

function ap(): mobileid.APInfoRequest {
  return { AP_ID: env("SIGNUM_AP_ID"), AP_TransID: `T${randomUUID()}`, Instant: new Date() };
}

const mssp: mobileid.MSSPInfoRequest = { MSSP_ID: { URI: MID } };

async function sign(
  number: string,
  text: string,
  mode: mobileid.MSSSignatureReqMessagingModeEnum,
  profile: mobileid.SignatureProfile,
  ...services: mobileid.AdditionalService[]
): Promise<mobileid.MSSSignatureResp> {
  const answer = await signatures.sign({
    signatureRequest: {
      MSS_SignatureReq: {
        AP_Info: ap(),
        MSSP_Info: mssp,
        MajorVersion: "1",
        MinorVersion: "2",
        MessagingMode: mode,
        TimeOut: "80",
        MobileUser: { MSISDN: number },
        DataToBeSigned: { MimeType: "text/plain", Encoding: "UTF-8", Data: env("SIGNUM_PREFIX") + text },
        SignatureProfile: profile,
        AdditionalServices: [
          { Description: "http://mss.ficom.fi/TS102204/v1.0.0#userLang", UserLang: { Value: "en" } },
          ...services,
        ],
      },
    },
  });
  return answer.MSS_SignatureResp;
}

async function receipt(
  number: string,
  transaction: string,
  text: string,
  status?: mobileid.ReceiptRequestStatus,
): Promise<mobileid.ReceiptStatus> {
  const answer = await receipts.sendReceipt({
    receiptRequest: {
      MSS_ReceiptReq: {
        AP_Info: ap(),
        MSSP_Info: mssp,
        MajorVersion: "1",
        MinorVersion: "1",
        MSSP_TransID: transaction,
        MobileUser: { MSISDN: number },
        Message: { MimeType: "text/plain", Encoding: "UTF-8", Data: env("SIGNUM_PREFIX") + text },
        Status: status,
      },
    },
  });
  return answer.MSS_ReceiptResp.Status;
}

async function query(number: string, params?: string): Promise<mobileid.MSSProfileResp> {
  const answer = await profiles.queryProfile({
    profileRequest: {
      MSS_ProfileReq: {
        AP_Info: ap(),
        MSSP_Info: mssp,
        MajorVersion: "2",
        MinorVersion: "0",
        MobileUser: { MSISDN: number },
        Params: params,
      },
    },
  });
  return answer.MSS_ProfileResp;
}

async function synchronous(): Promise<void> {
  const signed = await sign(
    sim,
    "Log in to example.com?",
    "synch",
    mobileid.SignatureProfile.HttpMidSwisscomChStkLoA4,
    { Description: "http://mid.swisscom.ch/as#geofencing" },
    { Description: "http://mid.swisscom.ch/as#subscriberInfo" },
  );
  say("sign.status", told(signed.Status));
  say("sign.profile", signed.SignatureProfile);
  say("sign.signature", must(signed.MSS_Signature).Base64Signature);
  for (const service of must(signed.ServiceResponses)) {
    if ("Geofencing" in service && "Country" in service.Geofencing) {
      say("sign.country", service.Geofencing.Country);
    }
    if ("SubscriberInfo" in service) {
      const detail = must(service.SubscriberInfo.Details[0]);
      say("sign.network", `${detail.id}=${detail.value}`);
    }
  }
  if (Math.abs(Date.now() - signed.MSSP_Info.Instant.getTime()) > 60_000) {
    throw new Error(`the answer is of ${signed.MSSP_Info.Instant}`);
  }
  const status = await receipt(sim, signed.MSSP_TransID, "Thank you");
  say("receipt.status", told(status));
  say("receipt.extension", status.StatusDetail === undefined ? "none" : "there");
}

async function asynchronous(): Promise<void> {
  const asked = await sign(
    app,
    "Zürich: 12.50 € & <more>?",
    "asynch",
    mobileid.SignatureProfile.HttpMidSwisscomChDeviceLoA4,
  );
  say("async.status", told(asked.Status));
  let outcome: mobileid.MSSStatusResp;
  do {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const answer = await signatures.queryStatus({
      statusRequest: {
        MSS_StatusReq: {
          AP_Info: ap(),
          MSSP_Info: mssp,
          MajorVersion: "1",
          MinorVersion: "1",
          MSSP_TransID: asked.MSSP_TransID,
        },
      },
    });
    outcome = answer.MSS_StatusResp;
  } while (outcome.Status.StatusCode.Value === "504");
  say("async.outcome", told(outcome.Status));
  say("async.signature", must(outcome.MSS_Signature).Base64Signature);

  const status = await receipt(app, asked.MSSP_TransID, "Danke", {
    StatusCode: { Value: "100" },
    StatusDetail: {
      ReceiptRequestExtension: {
        ReceiptMessagingMode: "synch",
        UserAck: "true",
        ReceiptProfile: { Language: "de", ReceiptProfileURI: "http://mss.swisscom.ch/synch" },
      },
    },
  });
  say("extended.status", told(status));
  const said = must(status.StatusDetail).ReceiptResponseExtension;
  say("extended.ack", `${said.ReceiptMessagingMode} ${said.UserAck}`);
  say("extended.response", said.UserResponse);
}

async function asked(): Promise<void> {
  const plain = await query(sim);
  say("plain.status", told(plain.Status));
  say("plain.profiles", plain.SignatureProfile.map((p) => p.slice(MID.length)).sort().join(" "));
  say("plain.extension", plain.Status.StatusDetail === undefined ? "none" : "there");

  const answer = await query(sim, "sscds state certs pinstatus carddetails rcstatus aastatus");
  const extension = must(answer.Status.StatusDetail).ProfileQueryExtension;
  const card = must(must(extension.Sscds).Sim);
  say("profile.sim", card.State);
  say("profile.blocked", must(card.PinStatus).Blocked);
  say("profile.recovery", must(extension.MobileUser).RecoveryCodeCreated);
  const cert = must(must(card.MobileUserCertificate)[0]);
  say("profile.cert", `${cert.State} ${cert.Algorithm} ${cert.X509Certificate.length}`);
  const details = must(card.CardDetails);
  say("profile.network", `${details.Mcc} ${details.Mnc} ${details.Network}`);
}

async function refused(): Promise<void> {
  try {
    await sign("+41790000000", "Anybody?", "synch", mobileid.SignatureProfile.HttpMidSwisscomChStkLoA4);
  } catch (e) {
    if (!(e instanceof mobileid.ResponseError)) throw e;
    const { Fault } = mobileid.FaultFromJSON(await e.response.json());
    say("fault.code", Fault.Code.SubCode.Value.slice(1));
    say("fault.reason", Fault.Reason);
    say("fault.detail", Fault.Detail);
  }
}

synchronous()
  .then(asynchronous)
  .then(asked)
  .then(refused)
  .then(() => agent.destroy())
  .catch((e) => {
    console.error(e);
    process.exit(1);
  });
