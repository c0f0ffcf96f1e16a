// The functions that an exported model calls, as in scorer/runtime/ in Python; a file carries those
// that it uses. null is a missing value. Dates are days, datetimes microseconds since 1970-01-01,
// times nanoseconds since midnight. Each definition is parted from the next by an empty line.

/** A cell that is of no use for its column. */
export class RefusedError extends Error {
  constructor(message, column = "") {
    super(message);
    this.name = "RefusedError";
    this.column = column;
  }
}

const DAY = 86400000000;

const shown = (cell) =>
  typeof cell === "object" || typeof cell === "function" ? typeof cell : JSON.stringify(String(cell).slice(0, 60));

const refuse = (cell, noun, column) =>
  new RefusedError(`column ${JSON.stringify(column)}: ${shown(cell)} is not a ${noun}`, column);

/** Text without white space around it, and with plain spaces within. */
const spaced = (text) => text.replace(SPACE, " ").replace(/^ +| +$/g, "");

const finite = (value, column) => {
  if (!Number.isFinite(value)) throw new RefusedError(`column ${JSON.stringify(column)} is infinite`, column);
};

const without = (value, words) =>
  words.includes(typeof value === "string" ? spaced(value) : value) ? null : value;

// Cells

const isGap = (text) => GAP_WORDS.includes(text) || MISSING_CODES.includes(text.toLowerCase());

/** A cell of a column of numbers; text in this decimal mark and unit, with codes such as 01. */
const readNumber = (cell, column, mark = ".", unit = "", codes = true, suffix = "") => {
  if (typeof cell === "number") return Number.isNaN(cell) ? null : cell;
  if (cell === null) return null;
  if (typeof cell === "boolean") return cell ? 1 : 0;
  if (typeof cell !== "string") throw refuse(cell, "number", column);
  const text = spaced(cell);
  if (isGap(text)) return null;
  const bare = withoutSuffix(text, suffix);
  const value = spelledNumber(bare, mark);
  // Another source may leave the unit out.
  const odd = !["", unit].includes(unitOf(bare));
  if (value === null || odd || (!codes && CODE.test(bare))) throw refuse(cell, "number", column);
  return value;
};

/** A number without what follows it, such as kg; text that ends otherwise as it is. */
const withoutSuffix = (text, suffix) => {
  if (suffix === "" || !text.endsWith(suffix)) return text;
  const bare = text.slice(0, -suffix.length).replace(/ +$/, "");
  return /[0-9.)]$/.test(bare) ? bare : text;
};

/** The number that a text spells, null where it spells none. */
const spelledNumber = (text, mark) => {
  let plain = text;
  if (mark === ",") plain = text.includes(".") ? "" : text.replace(",", ".");
  if (PLAIN.test(plain)) {
    const value = Number(plain);
    return Number.isFinite(value) ? value : null;
  }
  const whole = mark === "." ? NUMBER_POINT : NUMBER_COMMA;
  const found = text.length <= LONGEST && whole.test(text) ? PARTS.exec(text) : null;
  if (found === null) return null;
  let digits = found[1];
  for (const thousands of [mark === "." ? "," : ".", " ", "'", "\u2019"]) {
    digits = digits.replaceAll(thousands, "");
  }
  const minus = NEGATIVE.test(text) ? "-" : "";
  // Magnitudes become exponents of the text: 1.1 * 1e6 is not 1.1e6 to the last digit.
  return Number(minus + digits.replace(mark, ".") + (POWERS[found[2] ?? ""] ?? ""));
};

/** What stands with a number: a currency, a sign of per cent, or nothing. */
const unitOf = (text) => (CURRENCY.exec(text)?.[0] ?? "") + (text.includes("%") ? "%" : "");

/** Yes or no as a text says in any case, null where it says neither. */
const word = (text) => {
  const small = spaced(text).toLowerCase();
  return YES.includes(small) ? true : NO.includes(small) ? false : null;
};

const readFlag = (cell, column) => {
  if (typeof cell !== "string") return readNumber(cell, column);
  const text = spaced(cell);
  if (isGap(text)) return null;
  if (PLAIN.test(text)) return readNumber(text, column);
  const said = word(text);
  if (said === null) throw refuse(cell, "number", column);
  return said ? 1 : 0;
};

const readBoolean = (cell, column) => {
  if (cell === null || typeof cell === "boolean") return cell;
  if (Number.isNaN(cell)) return null;
  const text = typeof cell === "number" ? numberAsText(cell, 1e15) : cell;
  if (typeof text !== "string") throw refuse(cell, "yes or no", column);
  if (isGap(spaced(text))) return null;
  const said = word(text);
  if (said === null) throw refuse(cell, "yes or no", column);
  return said;
};

/** A cell of a column of text, as it stands; blank it is missing. */
const readText = (cell, column) => {
  if (cell === null) return null;
  if (typeof cell === "string") return spaced(cell) === "" ? null : cell;
  throw refuse(cell, "text", column);
};

/** A date's days, and its nanoseconds of the day. */
const readMoment = (cell, column, order) => {
  if (cell === null || Number.isNaN(cell)) return null;
  const written = typeof cell === "number" ? numberAsText(cell, 1e15) : cell;
  if (typeof written !== "string") throw refuse(cell, "date in text", column);
  const text = spaced(written);
  if (isGap(text)) return null;
  const periods = ["month", "quarter", "week"].includes(order);
  if (periods) {
    const period = text.length <= LONGEST ? PERIOD.exec(text)?.groups : undefined;
    const first = period ? firstDay(period, order) : undefined;
    if (first === null) throw refuse(cell, order, column);
    if (first !== undefined) return [first, 0];
  }
  const parts = text.length <= LONGEST ? MOMENT.exec(text)?.groups : undefined;
  // Of dates beside periods, only those with the year first are sure.
  const days = parts ? dayOf(parts, periods ? "" : order) : null;
  const clock = parts ? clockOf(parts) : null;
  if (days === null || clock === null) throw refuse(cell, "date", column);
  return [days, clock];
};

const readDate = (cell, column, order) => {
  const found = readMoment(cell, column, order);
  return found === null ? null : found[0];
};

const readDatetime = (cell, column, order) => {
  const found = readMoment(cell, column, order);
  return found === null ? null : found[0] * DAY + whole(found[1], 1000);
};

/** The minutes by which an offset such as +05:30 is ahead of UTC; 0 of Z, UTC and GMT. */
const minutesAhead = (zone) => {
  if (zone[0] !== "+" && zone[0] !== "-") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + (zone.length > 3 ? Number(zone.slice(-2)) : 0);
  return zone[0] === "-" ? -minutes : minutes;
};

/**
 * A cell of a column that was learnt in a zone, whose clocks are `ahead` minutes of UTC.
 *
 * Text with an offset is moved to those clocks; refused where these change over the year.
 */
const readInstant = (cell, column, order, ahead) => {
  const moment = readDatetime(cell, column, order);
  if (moment === null || typeof cell !== "string") return moment;
  const zone = MOMENT.exec(spaced(cell))?.groups.zone;
  if (zone === undefined) return moment;
  if (ahead === null) throw refuse(cell, "time without an offset", column);
  return moment + (ahead - minutesAhead(zone)) * 60_000_000;
};

const readTime = (cell, column) => {
  if (cell === null) return null;
  if (typeof cell !== "string") throw refuse(cell, "time of day", column);
  const text = spaced(cell);
  if (isGap(text)) return null;
  const parts = text.length <= LONGEST ? TIME.exec(text)?.groups : undefined;
  const clock = parts ? clockOf(parts) : null;
  if (clock === null) throw refuse(cell, "time of day", column);
  return clock;
};

/** A cell as a category's level, whatever it is; numbers of yes and no are these. */
const label = (cell, of, column) => {
  if (cell === null) return null;
  if (typeof cell === "string") return spaced(cell) === "" ? null : cell;
  if (Number.isNaN(cell)) return null;
  if (typeof cell === "boolean" || (of === "boolean" && typeof cell === "number")) return cell ? "true" : "false";
  if (typeof cell !== "number") throw refuse(cell, "level", column);
  return wholeOrDigits(cell);
};

const wholeOrDigits = (x) => numberAsText(x, 2 ** 53);

/** The level that a text is in other words, else the text. */
const spelled = (text, spellings) => spellings.get(spaced(text).toLowerCase()) ?? text;

const numberInText = (text, mark) => {
  if (text === null || GAP_WORDS.includes(spaced(text))) return null;
  const value = spelledNumber(spaced(text), mark);
  if (value === null) throw new RefusedError(`${shown(text)} is not a number`);
  return value;
};

const booleanInText = (text) => {
  if (text === null || GAP_WORDS.includes(spaced(text))) return null;
  const said = word(text);
  if (said === null) throw new RefusedError(`${shown(text)} is not a yes or no`);
  return said;
};

const plainNumber = (text) => {
  if (text === null) return null;
  const bare = trimmed(text);
  if (PLAIN.test(bare)) return Number(bare);
  const name = bare.replace(/^[-+]/, "").toLowerCase();
  if (name === "nan") return null;
  if (name === "inf" || name === "infinity") return bare.startsWith("-") ? -Infinity : Infinity;
  throw new RefusedError(`${shown(text)} is not a number`);
};

const dateInText = (text) => {
  if (text === null) return null;
  const parts = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(trimmed(text));
  const days = parts ? daysIn(parts[1], parts[2], parts[3]) : null;
  if (days === null) throw new RefusedError(`${shown(text)} is not a date`);
  return days;
};

// Dates

/** What is left of a after whole numbers of b, from 0 up; exact. */
const rest = (a, b) => ((a % b) + b) % b;

const whole = (a, b) => (a - rest(a, b)) / b;

/** The days of a date's parts in this order ("" allows the year first only), null for none. */
const dayOf = (parts, order) => {
  const { a, b, c, s, t } = parts;
  if (a === undefined) {
    if (parts.cy !== undefined) return daysIn(parts.cy, parts.cm, parts.cd);
    if (parts.y1 !== undefined) return daysIn(parts.y1, parts.m1, parts.d1);
    if (parts.y2 !== undefined) return daysIn(parts.y2, parts.m2, parts.d2);
    return daysIn(parts.y3, parts.m3, parts.d3);
  }
  if (s !== t) return null;
  if (a.length === 4 && c.length <= 2) return daysIn(a, b, c);
  const even = a.length === 2 && b.length === 2 && c.length === 2;
  if (order === "ymd") return even && s !== "." ? daysIn(a, b, c) : null;
  if (order && a.length <= 2 && (c.length === 4 || (c.length === 2 && (even || s !== "-")))) {
    return order === "dmy" ? daysIn(c, b, a) : daysIn(c, a, b);
  }
  return null;
};

/** The first day of a month, quarter or week of these parts, null for no such period. */
const firstDay = (parts, every) => {
  const forms = every === "month" ? "mltu" : every[0];
  const form = [...forms].find((one) => parts[one + "y"] !== undefined);
  if (form === undefined) return null;
  const [y, written] = [Number(parts[form + "y"]), parts[form + "n"]];
  const number = MONTHS[written.toLowerCase().slice(0, 3)] ?? Number(written);
  if (every !== "week") return sinceEpoch(y, every === "month" ? number : 3 * number - 2, 1);
  const fourth = sinceEpoch(y, 1, 4);
  const monday = fourth - rest(fourth + 3, 7) + 7 * (number - 1);
  const [first, next] = [sinceEpoch(y, 1, 1), sinceEpoch(y + 1, 1, 1)];
  return first <= monday + 3 && monday + 3 < next ? monday : null;
};

const daysIn = (yearText, monthText, dayText) => {
  let y = Number(yearText);
  if (yearText.length !== 4) y += y < 69 ? 2000 : 1900;
  const m = MONTHS[monthText.toLowerCase().slice(0, 3)] ?? Number(monthText);
  const d = Number(dayText);
  const leap = y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0);
  const longest = m === 2 && leap ? 29 : [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][m - 1];
  return m >= 1 && m <= 12 && d >= 1 && d <= longest ? sinceEpoch(y, m, d) : null;
};

/** Days since 1970-01-01 of a date of the Gregorian calendar. */
const sinceEpoch = (year, m, d) => {
  const y = m <= 2 ? year - 1 : year;
  const era = whole(y, 400);
  const ofEra = y - era * 400;
  const ofYear = whole(153 * (m + (m > 2 ? -3 : 9)) + 2, 5) + d - 1;
  return era * 146097 + ofEra * 365 + whole(ofEra, 4) - whole(ofEra, 100) + ofYear - 719468;
};

/** The nanoseconds of a time of day's parts, 0 where there is none; null for no such time. */
const clockOf = (parts) => {
  if (parts.hour === undefined) return 0;
  let h = Number(parts.hour);
  const [m, s] = [Number(parts.minute), Number(parts.second ?? 0)];
  if (parts.half !== undefined) {
    if (h < 1 || h > 12) return null;
    h = (h % 12) + (parts.half.toLowerCase() === "p" ? 12 : 0);
  }
  if (h > 23 || m > 59 || s > 59) return null;
  return ((h * 60 + m) * 60 + s) * 1e9 + Number((parts.fraction ?? "").padEnd(9, "0"));
};

/** Year, month and day. */
const calendar = (days) => {
  const z = days + 719468;
  const era = whole(z, 146097);
  const ofEra = z - era * 146097;
  const of = whole(ofEra - whole(ofEra, 1460) + whole(ofEra, 36524) - whole(ofEra, 146096), 365);
  const ofYear = ofEra - (365 * of + whole(of, 4) - whole(of, 100));
  const from = whole(5 * ofYear + 2, 153);
  const m = from + (from < 10 ? 3 : -9);
  return [of + era * 400 + (m <= 2 ? 1 : 0), m, ofYear - whole(153 * from + 2, 5) + 1];
};

const year = (days) => (days === null ? null : calendar(days)[0]);

const quarter = (days) => (days === null ? null : whole(calendar(days)[1] + 2, 3));

const month = (days) => (days === null ? null : calendar(days)[1]);

const day = (days) => (days === null ? null : calendar(days)[2]);

const dayOfYear = (days) => (days === null ? null : days - sinceEpoch(calendar(days)[0], 1, 1) + 1);

const weekday = (days) => (days === null ? null : rest(days + 3, 7) + 1);

/** The week of ISO 8601: the first has the year's first Thursday. */
const week = (days) => {
  if (days === null) return null;
  const thursday = days - rest(days + 3, 7) + 3;
  return whole(thursday - sinceEpoch(calendar(thursday)[0], 1, 1), 7) + 1;
};

const hour = (moment) => (moment === null ? null : whole(rest(moment, DAY), 3600000000));

const minute = (moment) => (moment === null ? null : rest(whole(rest(moment, DAY), 60000000), 60));

const hourOfTime = (moment) => (moment === null ? null : whole(moment, 3600000000000));

const minuteOfTime = (moment) => (moment === null ? null : rest(whole(moment, 60000000000), 60));

const daysOfDate = (days) => days;

const daysOfMoment = (moment) => (moment === null ? null : moment / DAY);

const asDatetime = (days) => (days === null ? null : days * DAY);

const asDate = (moment) => (moment === null ? null : whole(moment, DAY));

const padded = (number, width) => String(number).padStart(width, "0");

const dateAsText = (days) => {
  if (days === null) return null;
  const [y, m, d] = calendar(days);
  return `${padded(y, 4)}-${padded(m, 2)}-${padded(d, 2)}`;
};

/** Seconds of a day as 14:05:00, with the digits of a fraction in threes. */
const clockAsText = (seconds, fraction) => {
  const digits = fraction.replace(/(?:000)+$/, "");
  const clock = [whole(seconds, 3600), rest(whole(seconds, 60), 60), rest(seconds, 60)];
  return clock.map((part) => padded(part, 2)).join(":") + (digits ? `.${digits}` : "");
};

const datetimeAsText = (moment) => {
  if (moment === null) return null;
  const ofDay = rest(moment, DAY);
  return `${dateAsText(whole(moment, DAY))} ${clockAsText(whole(ofDay, 1e6), padded(rest(ofDay, 1e6), 6))}`;
};

const timeAsText = (moment) =>
  moment === null ? null : clockAsText(whole(moment, 1e9), padded(rest(moment, 1e9), 9));

// Numbers

const defined = (value) => (Number.isNaN(value) ? null : value);

const plus = (x, y) => (x === null || y === null ? null : defined(x + y));

const minus = (x, y) => (x === null || y === null ? null : defined(x - y));

const times = (x, y) => (x === null || y === null ? null : defined(x * y));

const divided = (x, y) => (x === null || y === null || y === 0 ? null : defined(x / y));

const remainder = (x, y) => (x === null || y === null ? null : defined(x % y));

const power = (x, y) => {
  if (x === null || y === null || (x === 0 && y < 0)) return null;
  // As in C: 1 to any power is 1, and so is -1 to an infinite one.
  if (x === 1 || (x === -1 && !Number.isFinite(y))) return 1;
  return defined(x ** y);
};

const negative = (x) => (x === null ? null : -x);

const absolute = (x) => (x === null ? null : Math.abs(x));

const sign = (x) => (x === null ? null : Math.sign(x));

const squareRoot = (x) => (x === null || x < 0 ? null : Math.sqrt(x));

const exponential = (x) => (x === null ? null : Math.exp(x));

const logarithm = (x) => (x === null || x <= 0 ? null : Math.log(x));

const logarithm10 = (x) => (x === null || x <= 0 ? null : Math.log10(x));

const logarithm2 = (x) => (x === null || x <= 0 ? null : Math.log2(x));

const logarithm1p = (x) => (x === null || x <= -1 ? null : Math.log1p(x));

const floor = (x) => (x === null ? null : Math.floor(x));

const ceiling = (x) => (x === null ? null : Math.ceil(x));

const truncated = (x) => (x === null ? null : Math.trunc(x));

/** The nearest whole number, halves away from zero. */
const nearest = (x) => {
  const cut = Math.trunc(x);
  return Math.abs(x - cut) >= 0.5 ? cut + Math.sign(x) : cut;
};

const rounded = (x, places = 0) => {
  if (x === null) return null;
  const unit = 10 ** Math.abs(places);
  if (places < 0) return nearest(x / unit) * unit;
  // Where that overflows, there is nothing to round.
  return Number.isFinite(x * unit) ? nearest(x * unit) / unit : x;
};

const sine = (x) => (x === null ? null : defined(Math.sin(x)));

const cosine = (x) => (x === null ? null : defined(Math.cos(x)));

const tangent = (x) => (x === null ? null : defined(Math.tan(x)));

const arcTangent = (x) => (x === null ? null : Math.atan(x));

const asNumber = (x) => (x === null ? null : x ? 1 : 0);

// Yes and no

/** -1, 0 or 1 as the first is below, equal to or above the second; texts by their code points. */
const order = (x, y) => {
  if (typeof x !== "string") return x < y ? -1 : x > y ? 1 : 0;
  const [one, other] = [Array.from(x), Array.from(y)];
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    const apart = one[at].codePointAt(0) - other[at].codePointAt(0);
    if (apart !== 0) return Math.sign(apart);
  }
  return Math.sign(one.length - other.length);
};

const compared = (x, y, holds) => (x === null || y === null ? null : holds(order(x, y)));

const equal = (x, y) => (x === null || y === null ? null : x === y);

const unequal = (x, y) => (x === null || y === null ? null : x !== y);

const less = (x, y) => compared(x, y, (sign) => sign < 0);

const atMost = (x, y) => compared(x, y, (sign) => sign <= 0);

const more = (x, y) => compared(x, y, (sign) => sign > 0);

const atLeast = (x, y) => compared(x, y, (sign) => sign >= 0);

const both = (x, y) => (x === false || y === false ? false : x === null || y === null ? null : true);

const either = (x, y) => (x === true || y === true ? true : x === null || y === null ? null : false);

const negated = (x) => (x === null ? null : !x);

const isMissing = (x) => x === null;

const oneOf = (x, ...choices) => (x === null ? null : choices.includes(x));

const firstThere = (...values) => values.find((value) => value !== null) ?? null;

const most = (values, wanted) =>
  values.filter((value) => value !== null).reduce((x, y) => (x === null || order(y, x) === wanted ? y : x), null);

const greatest = (...values) => most(values, 1);

const least = (...values) => most(values, -1);

const nullIf = (x, y) => (x === y ? null : x);

const chosen = (...parts) => {
  for (let at = 0; at < parts.length - 1; at += 2) if (parts[at] === true) return parts[at + 1];
  return parts[parts.length - 1];
};

// Text

/** Whether the whole of a text is like a pattern: % any letters, _ one. */
const like = (text, pattern) => {
  if (text === null) return null;
  const [letters, wanted] = [Array.from(text), Array.from(pattern)];
  let [at, place, star, back] = [0, 0, -1, 0];
  while (at < letters.length) {
    if (place < wanted.length && wanted[place] === "%") {
      [star, back] = [place, at];
      place += 1;
    } else if (place < wanted.length && (wanted[place] === "_" || wanted[place] === letters[at])) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      back += 1;
      [at, place] = [back, star + 1];
    } else return false;
  }
  return wanted.slice(place).every((letter) => letter === "%");
};

const startsWith = (text, part) => (text === null ? null : text.startsWith(part));

const endsWith = (text, part) => (text === null ? null : text.endsWith(part));

const contains = (text, part) => (text === null ? null : text.includes(part));

const joined = (x, y) => (x === null || y === null ? null : x + y);

const concatenated = (...texts) => texts.filter((text) => text !== null).join("");

const lower = (text) => (text === null ? null : text.toLowerCase());

const upper = (text) => (text === null ? null : text.toUpperCase());

const trimmed = (text) => (text === null ? null : text.replace(/^ +| +$/g, ""));

const length = (text) => (text === null ? null : Array.from(text).length);

const slice = (text, from, to) => (text === null ? null : Array.from(text).slice(from, to).join(""));

const substring = (text, start, count = Infinity) => slice(text, start - 1, start - 1 + count);

const left = (text, count) => slice(text, 0, count);

const right = (text, count) => (count === 0 ? slice(text, 0, 0) : slice(text, -count));

const replaced = (text, old, put) => (text === null || !old ? text : text.split(old).join(put));

const zeroFilled = (text, width) => {
  if (text === null) return null;
  const signed = /^[-+]/.test(text) ? text[0] : "";
  return signed + text.slice(signed.length).padStart(width - signed.length, "0");
};

/** A number in the fewest digits; whole ones below the largest without a point. */
const numberAsText = (x, largest) => {
  if (x === null) return null;
  if (Math.abs(x) < largest && Number.isInteger(x)) return String(x === 0 ? 0 : x);
  if (!Number.isFinite(x)) return x < 0 ? "-inf" : "inf";
  const short = x.toExponential();
  const exponent = Number(short.slice(short.indexOf("e") + 1));
  if (exponent < -5 || exponent > 15) return short;
  return Number.isInteger(x) ? `${x}.0` : String(x);
};

const booleanAsText = (x) => (x === null ? null : x ? "true" : "false");

// Predictions

const logistic = (score) => {
  if (score >= 0) return 1 / (1 + Math.exp(-score));
  const odds = Math.exp(score);
  return odds / (1 + odds);
};

const bothClasses = (score) => [1 - logistic(score), logistic(score)];

/** The softmax of these scores. */
const shares = (scores) => {
  const top = scores.reduce((x, y) => Math.max(x, y));
  const parts = scores.map((score) => Math.exp(score - top));
  const total = parts.reduce((x, y) => x + y);
  return parts.map((part) => part / total);
};

/** The class of the largest probability, the first of equal ones. */
const likeliest = (classes, probabilities) =>
  classes[probabilities.indexOf(probabilities.reduce((x, y) => Math.max(x, y)))] ?? null;

/** The inverse transform of a prediction: each step's name and constant; null for undefined. */
const undone = (value, steps) => {
  let found = value;
  for (const [name, c] of steps) {
    found = UNDO[name](found, c);
    if (found === null) return null;
  }
  return defined(found);
};

const UNDO = {
  "y - c": minus,
  "y + c": plus,
  "c - y": (y, c) => c - y,
  "y / c": divided,
  "y * c": times,
  "-y": (y) => -y,
  "c ** y": (y, c) => power(c, y),
  "odd root": (y, c) => Math.sign(y) * Math.abs(y) ** (1 / c),
  root: (y, c) => Math.max(y, 0) ** (1 / c),
  exp: exponential,
  expm1: (y) => Math.expm1(y),
  log: logarithm,
  square: (y) => Math.max(y, 0) * Math.max(y, 0),
};
