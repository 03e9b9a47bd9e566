import net from 'node:net'

// behind returns a function that finds the shopper's IP address in a request. proxies are
// the proxies between the shopper and this process, nearest first: for each the networks
// that its requests come from, or 'unix:' for a unix socket.
export function behind(proxies) {
  if (!proxies.every(Array.isArray)) throw new TypeError("proxies is a list of lists, such as [['127.0.0.1', '::1']]")
  const trusted = proxies.map((networks) => {
    const list = new net.BlockList()
    for (const network of networks.filter((n) => n !== 'unix:')) {
      const [base, bits] = network.split('/')
      list.addSubnet(base, Number(bits ?? (net.isIPv6(base) ? 128 : 32)), net.isIPv6(base) ? 'ipv6' : 'ipv4')
    }
    return (hop) => networks.includes(hop) || (net.isIP(hop) > 0 && list.check(hop, net.isIPv6(hop) ? 'ipv6' : 'ipv4'))
  })
  // remote is the other end of the connection, forwarded the header X-Forwarded-For. Each
  // proxy puts the address that it saw at the right end; what is left of that, anybody may
  // have sent.
  return (remote, forwarded) => {
    const hops = [...(forwarded ? forwarded.split(',') : []), remote || 'unix:'].map(plain)
    for (const isProxy of trusted) {
      if (hops.length < 2 || !isProxy(hops.at(-1))) break
      hops.pop()
    }
    return hops.at(-1)
  }
}

// plain is the address without blanks, port, brackets, and ::ffff: before IPv4.
function plain(hop) {
  return hop.trim().replace(/^\[?(?:(?:::ffff:)?((?:\d+\.){3}\d+)|([\da-f:]+))\]?(?::\d+)?$/i, '$1$2')
}
