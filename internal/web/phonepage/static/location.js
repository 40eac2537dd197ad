// The location of the phone, for parties that ask. The person chooses the country,
// because a page cannot derive it from coordinates without a service of third parties.

import { clock } from './clock.js';

const PATIENCE = 4000, MAX_AGE = 5 * 60_000; // ms
const SOMEWHERE = 100_000; // metres; the position is unknown

const DISABLED = 100, UNDECIDED = 102; // codes of the geofencing service

export const countries = ('AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN ' +
  'CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR ' +
  'HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM ' +
  'MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB ' +
  'SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU ' +
  'WF WS XK YE YT ZA ZM ZW').split(' ');

// position asks the browser; undefined if it is denied or unknown.
export const position = () => new Promise((resolve) => {
  if (!navigator.geolocation) return resolve(undefined);
  setTimeout(resolve, PATIENCE + 500); // for browsers that wait for an answer about the permission
  navigator.geolocation.getCurrentPosition(resolve, () => resolve(undefined), { timeout: PATIENCE, maximumAge: MAX_AGE });
});

// locate answers a party. What the person states has a confidence of one half.
export async function locate({ on, country }) {
  if (!on) return { error: DISABLED };
  if (!country) return { error: UNDECIDED };
  const found = await position();
  const measured = found ? Math.round(found.timestamp) : clock.now();
  return {
    country, accuracy: found ? Math.ceil(found.coords.accuracy) : SOMEWHERE,
    device_confidence: 0.5, location_confidence: found ? 0.9 : 0.5, measured,
  };
}
