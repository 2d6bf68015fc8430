/** Addresses that no guest may reach, whatever its policy. @see IANA IPv4 Special-Purpose Address Registry (RFC 6890) */

/** Private, shared, link-local (metadata services), loopback, documentation, benchmark, multicast and unassigned ranges. */
export const reservedRanges = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
] as const
