// Whom the scripts pretend to be: shoppers and attackers from addresses that RFC 3849 and
// RFC 5737 reserve for documentation, with test cards that payment providers publish.

const testCards = [
  '4242424242424242', '4000056655665556', '5555555555554444', '2223003122003222', '5200828282828210', '5105105105105100',
  '378282246310005', '371449635398431', '6011111111111117', '6011000990139424', '3056930009020004', '36227206271667',
  '3566002020360505', '6200000000000005', '4012888888881881', '4000000000003220',
].map((number) => number.slice(-4));

// Cards whose numbers are less than 5760 apart differ: in their last four digits, or in their
// expiry, of 2027 to 2056.
export function card(i) {
  const months = Math.floor(i / testCards.length) % 360;
  return { last4: testCards[i % testCards.length], exp_month: 1 + (months % 12), exp_year: 2027 + Math.floor(months / 12) };
}

// The address of a household: for each i below 2^32 a /64, and so a subject, of its own.
// Those of 2001:db8:ffff::/48 and of IPv4 are for the scripts' other people.
export const honestAddress = (i) => `2001:db8:${(i >>> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`;
