import ipaddress
import re


def behind(proxies):
    """Return a function that finds the shopper's IP address in a request.

    proxies are the proxies between the shopper and this process, nearest first: for each
    the networks that its requests come from, or 'unix:' for a unix socket.
    """
    if any(isinstance(networks, str) for networks in proxies):
        raise TypeError("proxies is a list of lists, such as [['127.0.0.1', '::1']]")
    trusted = [([ipaddress.ip_network(n) for n in networks if n != 'unix:'], 'unix:' in networks) for networks in proxies]

    def shopper(remote, forwarded):
        """remote is the other end of the connection, forwarded the header X-Forwarded-For.

        Each proxy puts the address that it saw at the right end; what is left of that,
        anybody may have sent.
        """
        hops = [_plain(hop) for hop in [*(forwarded.split(',') if forwarded else []), remote or 'unix:']]
        for networks, socket in trusted:
            if len(hops) < 2 or not (_within(hops[-1], networks) or socket and hops[-1] == 'unix:'):
                break
            hops.pop()
        return hops[-1]

    return shopper


def _plain(hop):
    """The address without blanks, port, brackets, and ::ffff: before IPv4."""
    return re.sub(r'^\[?(?:(?:::ffff:)?((?:\d+\.){3}\d+)|([\da-f:]+))\]?(?::\d+)?$', r'\1\2', hop.strip(), flags=re.I)


def _within(hop, networks):
    try:
        return any(ipaddress.ip_address(hop) in network for network in networks)
    except ValueError:
        return False
